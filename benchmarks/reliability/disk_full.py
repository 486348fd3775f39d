"""A full disk, a read-only store, no memory and a clock set back, at every stage of a retraining.

``python -m benchmarks.reliability.disk_full`` mounts a small file system in memory for the store
(in a name space of its own, by ``unshare``), causes each fault before each stage, and looks at
the error and at the next run without the fault. ``--stages ingest train`` shortens it; ``--dry``
writes nothing.
"""

import argparse
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks.data.grown_store import NAME, TRAINING, grow, own_mlflow, write_catalog
from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from tasks.errors.known_errors import known_error
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.register import register
from tasks.registry.versions import model_names
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train

COMMAND = "python -m benchmarks.reliability.disk_full"
STAGES = ("ingest", "tokenize", "train", "evaluate", "register", "promote")
SETTINGS = read_settings({"tokens": {"min_frequency": 1}, "training": TRAINING})
MOUNTED = "REFRAIN_DISK_FULL_MOUNTED"  # set for the process in the name space
MEGABYTES = 64
LEFT = (0, 8_192, 131_072)  # free bytes of a full disk
SPARE_MEMORY = 64 * 2**20
TEN_DAYS = 10 * 24 * 3600
FORK = get_context("fork")  # the imports take many times as long as a stage
# Imported by the stages when they use them. OpenBLAS, which comes with SciPy, tries for ever to
# get memory when it is loaded; a system without memory ends such a process.
LATE = ("matplotlib.figure", "sacrebleu.metrics", "scipy.sparse", "sklearn.svm")


@dataclass(frozen=True)
class Trial:
    """A fault at a stage: the answer under the fault, and that of the next run."""

    stage: str
    fault: str
    answer: str
    next_run: str
    weights: bytes

    def is_stuck(self, expected: bytes) -> bool:
        """Whether the error was no sentence, the next run failed, or its weights differ."""
        is_whole = self.next_run == "completed" and self.weights in (b"", expected)
        return not is_whole or self.answer.startswith("traceback")


def run_to(stage: str, catalog: str) -> None:
    """Do all stages up to one; finished ones are unchanged."""
    last = STAGES.index(stage)
    rows = directly(ingest, NAME, catalog, None, False)
    tokens = directly(tokenize, rows, SETTINGS.tokens, catalog) if last > 0 else None
    if tokens is None:
        return
    checkpoint = directly(train, tokens, SETTINGS.training) if last > 1 else None
    if checkpoint is None:
        return
    scores = directly(evaluate, checkpoint, tokens) if last > 2 else None
    if scores is None:
        return
    if last > 3:
        version = directly(register, checkpoint, tokens, scores, catalog)
        if last > 4:
            directly(promote, version, scores, tokens, SETTINGS.promotion)


def in_child(call: Callable[[], None], before: Callable[[], None] = lambda: None) -> str:
    """Run a call in a child process: ``completed``, its message, or ``traceback`` and its error."""
    answers: SimpleQueue[str] = FORK.SimpleQueue()

    def work() -> None:
        try:
            before()
            with own_mlflow():
                call()
            answers.put("completed")
        except BaseException as error:
            # The harness needs memory to report.
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            message = known_error(error)
            answers.put(message or f"traceback: {type(error).__name__}: {error}")

    process = FORK.Process(target=work)
    process.start()
    process.join()
    # As the kernel ends a process without memory: nobody is left to print a sentence.
    return f"ended with status {process.exitcode}" if answers.empty() else answers.get()


@contextmanager
def full(store: Path, left: int) -> Iterator[None]:
    """Fill the file system of a store but for some bytes."""
    filler = store.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - left))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(store: Path) -> Iterator[None]:
    """Forbid to write to the file system of a store."""
    remount(store, "ro")
    try:
        yield
    finally:
        remount(store, "rw")


def remount(store: Path, way: str) -> None:
    """Mount the file system of a store again."""
    subprocess.run(["mount", "-o", f"remount,{way}", str(store.parent)], check=True)


@contextmanager
def clock_set_back(store: Path) -> Iterator[None]:
    """Date all files ten days ahead, as a clock that was set back leaves them."""
    ahead = time.time() + TEN_DAYS
    for path in store.rglob("*"):
        os.utime(path, (ahead, ahead))
    yield


def limit_memory() -> None:
    """Allow this process little more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + SPARE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def trials(stage: str, store: Path, catalog: str) -> Iterator[Trial]:
    """Cause each fault at a stage, from the same store each time."""
    before = store.parents[1] / f"before-{stage}"
    shutil.copytree(store, before, symlinks=True)
    faults = {
        **{f"disk full but for {left:,} bytes": (full(store, left), None) for left in LEFT},
        "read-only": (read_only(store), None),
        "no memory": (None, limit_memory),
        "clock set back": (clock_set_back(store), None),
    }
    for name, (around, inside) in faults.items():
        shutil.rmtree(store)
        shutil.copytree(before, store, symlinks=True)

        def call() -> None:
            run_to(stage, catalog)

        if around:
            with around:
                answer = in_child(call)
        else:
            answer = in_child(call, inside or (lambda: None))
        next_run = in_child(call)
        yield Trial(stage, name, answer, next_run, weights_in(store))


def weights_in(store: Path) -> bytes:
    """Read the weights of the only checkpoint; empty if there is none yet."""
    paths = list((store / Checkpoint.KIND).glob("*/model.safetensors"))
    return paths[0].read_bytes() if paths else b""


def measure() -> list[Figure]:
    """Try all faults at all stages."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in LATE:
        import_module(name)
    done: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        store = disk / "store"
        rows = Path(folder) / "rows"
        for path in (disk, rows):
            path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)]
        subprocess.run(mount, check=True)
        os.environ["REFRAIN_HOME"] = str(store)
        grow(rows, 0)
        catalog = str(write_catalog(rows))
        assert in_child(lambda: print(model_names(), flush=True)) == "completed"
        for stage in STAGES:
            if stage in options.stages:
                done += map(shown, trials(stage, store, catalog))
            assert in_child(lambda stage=stage: run_to(stage, catalog)) == "completed"  # type: ignore[misc]
        expected = weights_in(store)
        subprocess.run(["umount", str(disk)], check=True)
    stuck = [trial for trial in done if trial.is_stuck(expected)]
    for trial in stuck:
        print(f"STUCK: {trial.stage}, {trial.fault}: {trial.answer}; then {trial.next_run}")
    return [
        figure(
            "disk_full_stuck",
            len(stuck),
            unit=f"of {len(done)} faults",
            goal=0,
            better="lower",
            command=COMMAND,
            note="ended in a traceback, damaged something or stopped the next run: disk full, "
            "store read-only, no memory, clock set back, before each stage",
        )
    ]


def shown(trial: Trial) -> Trial:
    """Print a trial."""
    print(
        f"{trial.stage}, {trial.fault}: {trial.answer[:160]} -> {trial.next_run[:160]}", flush=True
    )
    return trial


def main() -> None:
    """Start again in a name space in which a file system may be mounted."""
    if os.environ.get(MOUNTED):
        finish(measure)
        return
    command = ["unshare", "--mount", "--map-root-user", sys.executable, "-m", __spec__.name]
    environment = os.environ | {MOUNTED: "1", "OMP_NUM_THREADS": "1"}
    sys.exit(subprocess.run([*command, *sys.argv[1:]], env=environment, check=False).returncode)


if __name__ == "__main__":
    main()

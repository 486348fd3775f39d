"""Keys and signals in a terminal: one line, the exit status, no traceback, nothing lost."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from refrain import interruption
from tasks.store.installation import ROOT
from tests.databases import begin_store

QUICK = [
    "--set",
    "training.hidden_size=8",
    "--set",
    "training.embedding_size=8",
    "--set",
    "training.max_epochs=400",
]
QUICK += ["--set", "training.patience=400"]


class Terminal:
    """A program in a pseudo-terminal, with the signal handlers that a shell gives."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.seen = ""
        self.process, self.file = pty.fork()
        if not self.process:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(ROOT)
            os.execve(sys.executable, [sys.executable, *words], environment)

    def read(self, seconds: float) -> bool:
        """Read the output for some time; False once the program has ended."""
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        try:
            part = os.read(self.file, 65536)
        except OSError:
            return False
        self.seen += part.decode(errors="replace")
        return bool(part)

    def wait_for(self, text: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert self.read(0.5), self.seen
            assert time.monotonic() < deadline, self.seen

    def end(self, seconds: float) -> tuple[int, float]:
        """Wait for the end: exit status and seconds until then."""
        started = time.monotonic()
        while self.read(0.1):
            assert time.monotonic() - started < seconds, self.seen
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1]), time.monotonic() - started


def press(terminal: Terminal) -> None:
    os.write(terminal.file, b"\x03")


def terminate_group(terminal: Terminal) -> None:
    os.killpg(os.getpgid(terminal.process), signal.SIGTERM)


@pytest.fixture
def environment(made_catalog: Path, databases: Path, tmp_path: Path) -> dict[str, str]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_TRACKING", "PREFECT_API", "PREFECT_HOME"))
    }
    return ours | {
        "REFRAIN_HOME": str(begin_store(tmp_path / "store", databases)),
        "OMP_NUM_THREADS": "1",
        "REFRAIN_CATALOG": str(made_catalog),
    }


def remaining_processes(store: str) -> list[Path]:
    """Running processes of a store."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"REFRAIN_HOME={store}".encode() in path.read_bytes().split(b"\0"):
                found.append(path)
        except OSError:
            continue
    return found


@pytest.mark.case("C12")
def test_interrupted_training_saves_and_resumes(
    environment: dict[str, str],
) -> None:
    """Ctrl-C, then SIGTERM to the whole group, within a training of the same command."""
    words = ["-m", "refrain", "run", "made_sentiment", *QUICK]
    steps = []
    for act, status in ((press, 130), (terminate_group, 143)):
        terminal = Terminal(words, environment)
        terminal.wait_for("epoch 2")
        act(terminal)
        found, seconds = terminal.end(60)
        assert (found, seconds < 10) == (status, True), (found, seconds, terminal.seen)
        assert re.search(
            r"refrain: stopped. The training of made_sentiment is saved at step [\d,]+; "
            "finished stages are kept; the same command continues from there.",
            terminal.seen,
        )
        assert "Traceback" not in terminal.seen
        assert remaining_processes(environment["REFRAIN_HOME"]) == []
        steps.append(int(re.findall(r"saved at step (\d+), in epoch", terminal.seen)[-1]))
    assert f"and {steps[0]}" in terminal.seen or "going on after epoch" in terminal.seen
    assert steps[1] > steps[0]


@pytest.mark.case("C12")
@pytest.mark.parametrize(
    ("words", "until"),
    [
        (["run", "made_sentiment"], "Starting Prefect's engine"),
        (["health", "made_ner", "--steps", "100000", *QUICK], "source ids"),
        (["compare", "made_ner", "--encoders", "rnn", *QUICK], "epoch 1"),
    ],
)
@pytest.mark.parametrize("act", [press, terminate_group])
def test_interrupted_command_ends_with_one_line_and_the_signal_status(
    words: list[str], until: str, act: Callable[[Terminal], None], environment: dict[str, str]
) -> None:
    terminal = Terminal(["-m", "refrain", *words], environment)
    terminal.wait_for(until)
    act(terminal)
    status, seconds = terminal.end(60)
    assert (status, seconds < 12) == (130 if act is press else 143, True), (seconds, terminal.seen)
    assert "Traceback" not in terminal.seen
    assert remaining_processes(environment["REFRAIN_HOME"]) == []


def test_expired_timer_does_not_replace_the_status_of_a_command() -> None:
    # In a process without threads, or another one takes the signal that this one blocks.
    program = """
import signal, sys, time
from refrain import interruption
signal.signal(signal.SIGALRM, interruption._interrupt)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
signal.setitimer(signal.ITIMER_REAL, 0.001)
time.sleep(0.05)
interruption.disarm()
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
time.sleep(0.05)
sys.exit(143)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 143


def test_interruption_swallowed_by_python_is_repeated_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(reference: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(interruption, "_signals", [signal.SIGTERM])
    monkeypatch.setattr(sys, "unraisablehook", interruption._repeat)
    before = signal.signal(signal.SIGALRM, interruption._interrupt)
    try:
        watched = Terminal.__new__(Terminal)
        reference = weakref.ref(watched, interrupt)
        with pytest.raises(KeyboardInterrupt):
            del watched
            time.sleep(5)
        assert reference() is None
    finally:
        signal.signal(signal.SIGALRM, before)
    assert capsys.readouterr().err == ""


def test_signal_during_a_print_does_not_end_the_process() -> None:
    program = """
import io, os, signal, sys
from refrain import interruption
class Raw(io.RawIOBase):
    def writable(self):
        return True
    def write(self, content):
        signal.raise_signal(signal.SIGTERM)
        return len(content)
signal.signal(signal.SIGTERM, interruption._handle)
sys.stderr = io.TextIOWrapper(io.BufferedWriter(Raw()))
print("epoch 1", file=sys.stderr, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"\nStopping ...\n")


LINGERING = """
import sys, threading, time
from refrain import interruption
interruption.FAILED_SECONDS = 0.2
threading.Thread(target=time.sleep, args=(60,)).start()
interruption.stop_watching(1)
sys.exit(1)
"""


def test_failed_command_does_not_wait_for_its_threads() -> None:
    command = [sys.executable, "-c", LINGERING]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=30)
    assert done.returncode == 1

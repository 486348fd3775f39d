"""Damages to every kind of file of a store, and what the next retraining makes of them.

``python -m benchmarks.reliability.damages``, with ``--dry`` to write no figures and
``--num N`` for another number of damages.
"""

import random
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.apart import Ended, Running
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_store import PROBLEMS, result, write_catalog
from data.catalog.catalog import find_dataset
from tasks.ingestion.removals import forget

NUM_DAMAGES = 420
SECONDS = 240.0  # a reader that takes longer is stuck; without damage it takes half a second
BLOCK_BYTES = 512
COMMAND = "python -m benchmarks.reliability.damages"
# Not read by a retraining: locks, leases, temporary files, MLflow's database, logs, and what MLflow
# shows of a run.
LEFT_OUT = re.compile(
    r"^(locks|leases|tmp|logs|prefect|downloads)/|^mlflow\.db|\.html$|__pycache__"
    r"|/artifacts/(data|training|outputs|history)|registered_model_meta"
)
DIGESTS = re.compile(r"[0-9a-f]{16,}")


def empty(path: Path, others: list[Path], chance: random.Random) -> None:
    """Leave nothing in a file."""
    path.write_bytes(b"")


def cut(path: Path, others: list[Path], chance: random.Random) -> None:
    """Leave the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def flip(path: Path, others: list[Path], chance: random.Random) -> None:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def zero(path: Path, others: list[Path], chance: random.Random) -> None:
    """Fill a block with zeros, as a file system does that lost it."""
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    stop = min(len(content), start + BLOCK_BYTES)
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)


def swap(path: Path, others: list[Path], chance: random.Random) -> None:
    """Exchange the content of two files of one kind."""
    other = chance.choice(others)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def delete(path: Path, others: list[Path], chance: random.Random) -> None:
    """Remove a file."""
    path.unlink()


DAMAGES: dict[str, Callable[[Path, list[Path], random.Random], None]] = {
    "emptied": empty,
    "cut short": cut,
    "a bit flipped": flip,
    "a block zeroed": zero,
    "swapped": swap,
    "deleted": delete,
}


def files_by_kind(store: Path) -> dict[str, list[Path]]:
    """Group the files that a retraining reads: one kind has the same name without digests."""
    found = defaultdict(list)
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_file() and path.stat().st_size and not LEFT_OUT.search(name):
            found[kind_of(name)].append(path)
    return found


def kind_of(name: str) -> str:
    """Return a file's name in the store without digests and datasets; all code is one kind."""
    name = DIGESTS.sub("*", re.sub(r"/code/.*", "/code/*.py", name))
    return re.sub(rf"\b({'|'.join(PROBLEMS)})\b", "*", name)


def chosen(store: Path, num: int, chance: random.Random) -> list[tuple[str, Path, list[Path], str]]:
    """Choose damages so that each kind of file has about as many: kind, file, others, damage."""
    kinds = files_by_kind(store)
    everything = [path for paths in kinds.values() for path in paths]
    turns: list[tuple[str, Path, list[Path], str]] = []
    order = list(DAMAGES)
    names = sorted(kinds)
    while len(turns) < num:
        chance.shuffle(order)
        chance.shuffle(names)
        for place, kind in enumerate(names):
            paths = kinds[kind]
            damage = order[(place + len(turns)) % len(order)]
            path = chance.choice(paths)
            others = [each for each in paths if each != path] or [
                each for each in everything if each != path
            ]
            turns.append((kind, path, others, damage))
    return turns[:num]


def dataset_of(path: Path, whole: Path) -> str:
    """Find the dataset whose retraining reads a file."""
    name = path.relative_to(whole).as_posix()
    found = next((problem for problem in PROBLEMS if f"{problem}-" in name), "")
    experiment = re.match(r"mlartifacts/(\w+)/|ledger/(\w+)/|\w+/(\w+)\.", name)
    return found or next(filter(None, experiment.groups() if experiment else ()))


def judged(ended: Ended, expected: dict[str, Any], path: Path) -> str:
    """Name the outcome of a damage: right, named, silent, stuck or unnamed."""
    if ended.is_stuck:
        return "stuck"
    if ended.result == expected:
        return "right"
    names = (path.name, path.parent.name)
    is_named = any(name in line for line in [ended.error, *ended.lines] for name in names)
    if ended.error:
        return "named" if is_named and ended.is_explained else "unnamed"
    return "named" if is_named else "silent"


def build(catalog: Path) -> dict[str, Any]:
    """Make the store: each problem retrained, a text of each on its removal list."""
    for problem in PROBLEMS:
        forget(find_dataset(problem, catalog), [f"a text of {problem}"], [])
    return {problem: result(problem, catalog) for problem in PROBLEMS}


def measure(num: int) -> list[Figure]:
    """Damage a store again and again, and retrain after each damage."""
    outcomes = Counter[str]()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="damages-") as name:
        folder = Path(name)
        catalog = write_catalog(folder)
        store = folder / "store"
        expected = Running(store, build, catalog).ended(10 * SECONDS)
        if expected.error:
            raise SystemExit(f"the undamaged store cannot be made: {expected.error}")
        store.rename(folder / "whole")
        print("the undamaged store is made", flush=True)
        for kind, path, others, damage in chosen(folder / "whole", num, chance):
            outcomes[_tried(folder, catalog, kind, path, others, damage, expected, chance)] += 1
    return figures(outcomes)


def _tried(
    folder: Path,
    catalog: Path,
    kind: str,
    path: Path,
    others: list[Path],
    damage: str,
    expected: Ended,
    chance: random.Random,
) -> str:
    """Copy the store, damage a file of the copy, retrain, and judge the outcome."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(folder / "whole", store)
    here = store / path.relative_to(folder / "whole")
    there = [store / other.relative_to(folder / "whole") for other in others]
    if here.name == "mlflow_run":  # read only while a training is unfinished
        (here.parent / "manifest.json").unlink(missing_ok=True)
    DAMAGES[damage](here, there, chance)
    dataset = dataset_of(path, folder / "whole")
    ended = Running(store, result, dataset, catalog).ended(SECONDS)
    found = judged(ended, expected.result[dataset], here)
    if found not in ("right", "named") or "--verbose" in sys.argv:
        print(f"{found}: {kind} {damage}: {ended.error or ended.result} {ended.lines}", flush=True)
    return found


def figures(outcomes: Counter[str]) -> list[Figure]:
    """Make the figures of the counted outcomes."""
    num = outcomes.total()
    note = f"{outcomes['right']} with the same result, {outcomes['named']} with a message"
    made = [
        figure(
            "damages", num, unit="damages", goal=400, better="higher", command=COMMAND, note=note
        )
    ]
    for name, meaning in (
        ("silent", "another result without a word"),
        ("stuck", f"no result in {SECONDS:.0f} s, or without memory"),
        ("unnamed", "a traceback, or a message that does not name the file"),
    ):
        made.append(
            figure(
                f"damages_{name}",
                outcomes[name],
                unit="damages",
                goal=0,
                better="lower",
                command=COMMAND,
                note=meaning,
            )
        )
    return made


if __name__ == "__main__":
    number = int(sys.argv[sys.argv.index("--num") + 1]) if "--num" in sys.argv else NUM_DAMAGES
    finish(lambda: measure(number))

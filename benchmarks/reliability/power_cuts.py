"""Power cuts in the middle of retrainings, and what the next command makes of the store.

The flushes of a retraining are recorded. A cut leaves what a file system must
keep: of each file what was flushed last, and in each folder the names that
were there when the folder was flushed. All else is lost or empty. This is
stricter than ext4 or XFS are. SQLite flushes its own files, so they are kept.

``python -m benchmarks.reliability.power_cuts``, with ``--dry`` to write no figures and
``--num N`` for another number of cuts.
"""

import os
import random
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.apart import Ended, Running
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_store import PROBLEMS, result, write_catalog
from tasks.store.home import home

NUM_CUTS = 32
SECONDS = 1800.0
COMMAND = "python -m benchmarks.reliability.power_cuts"
DATABASE = "mlflow.db*"


class Disk:
    """What a disk holds for sure: content by inode, names by folder."""

    def __init__(self, root: Path, cuts: set[int], target: Path) -> None:
        self.root = root
        self.cuts = cuts
        self.target = target
        self.content: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}
        self.num_flushes = 0
        self.lock = threading.Lock()
        self.fsync = os.fsync

    def flushed(self, descriptor: int) -> None:
        """Flush a file or folder, and cut the power before it where a cut is due."""
        with self.lock:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_relative_to(self.root):
                if self.num_flushes in self.cuts:
                    self.cut(self.target / str(self.num_flushes))
                self.num_flushes += 1
                self._keep(path)
            self.fsync(descriptor)

    def _keep(self, path: Path) -> None:
        inode = path.stat().st_ino
        if path.is_dir():
            self.names[inode] = {each.name: each.stat().st_ino for each in path.iterdir()}
            for each in path.iterdir():
                # An inode that is used again: the file has a name and no content yet.
                known = self.content.get(each.stat().st_ino)
                if each.is_file() and known is not None and known != each.read_bytes():
                    self.content[each.stat().st_ino] = b""
        else:
            self.content[inode] = path.read_bytes()

    def cut(self, place: Path) -> None:
        """Write what is on the disk into a folder."""
        place.mkdir(parents=True)
        self._write(self.root.stat().st_ino, place, self._folders())
        for path in self.root.glob(DATABASE):
            shutil.copy(path, place)

    def _folders(self) -> set[int]:
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        return {path.stat().st_ino for path in folders} | set(self.names)

    def _write(self, inode: int, place: Path, folders: set[int]) -> None:
        for name, child in self.names.get(inode, {}).items():
            if child in folders:
                (place / name).mkdir()
                self._write(child, place / name, folders)
            else:
                (place / name).write_bytes(self.content.get(child, b""))


def recorded(dataset: str, catalog: Path, cuts: set[int], target: Path) -> tuple[int, Any]:
    """Retrain, and cut the power at some flushes; return the number of flushes, and the result."""
    home().mkdir(parents=True, exist_ok=True)
    disk = Disk(home(), cuts, target)
    with patch.object(os, "fsync", disk.flushed):
        made = result(dataset, catalog)
    return disk.num_flushes, made


def checked(ended: Ended) -> Any:
    """Return the result of a process.

    Raises:
        SystemExit: If it failed.
    """
    if ended.error:
        raise SystemExit(f"a retraining without a cut failed: {ended.error}")
    return ended.result


def measure(num: int) -> list[Figure]:
    """Cut the power during the retraining of each problem, and retrain again."""
    chance = random.Random(0)
    damaged = 0
    done = 0
    with tempfile.TemporaryDirectory(prefix="cuts-") as name:
        folder = Path(name)
        store = folder / "store"
        catalog = write_catalog(folder)
        for place, problem in enumerate(PROBLEMS):
            target = folder / problem
            run = (recorded, problem, catalog)
            num_flushes, expected = checked(Running(store, *run, set(), target).ended(SECONDS))
            shutil.rmtree(store)
            share = num // len(PROBLEMS) + (place < num % len(PROBLEMS))
            cuts = set(chance.sample(range(num_flushes), share))
            checked(Running(store, *run, cuts, target).ended(SECONDS))
            for cut in sorted(target.iterdir()):
                shutil.rmtree(store)
                cut.rename(store)
                ended = Running(store, result, problem, catalog).ended(SECONDS)
                done += 1
                if ended.result != expected:
                    damaged += 1
                    print(f"{problem}, flush {cut.name}: {ended.error or ended.result}", flush=True)
    return figures(done, damaged)


def figures(num: int, damaged: int) -> list[Figure]:
    """Make the figures."""
    return [
        figure(
            "power_cuts",
            num,
            unit="cuts",
            goal=30,
            better="higher",
            command=COMMAND,
            note="before a random flush of a retraining, then retrained again",
        ),
        figure(
            "power_cut_damaged",
            damaged,
            unit="cuts",
            goal=0,
            better="lower",
            command=COMMAND,
            note="with an error or another result afterwards",
        ),
    ]


if __name__ == "__main__":
    number = int(sys.argv[sys.argv.index("--num") + 1]) if "--num" in sys.argv else NUM_CUTS
    finish(lambda: measure(number))

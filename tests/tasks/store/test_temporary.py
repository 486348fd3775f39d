"""Temporary files are in the store; those of a killed process are removed by the next one."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tasks.store.durable import write_json
from tasks.store.installation import ROOT
from tasks.store.leases import mine
from tasks.store.temporary import (
    private_folder,
    sweep_files,
    sweep_services,
    sweep_unfinished_writes,
    temporary_folder,
)

KILLED = """
import os, signal, tempfile
from tasks.store.temporary import temporary_folder, use_for_libraries
use_for_libraries()
tempfile.mkdtemp(prefix="of-a-library-")
with temporary_folder("rows") as folder:
    (folder / "test.parquet").write_text("a row that is to be forgotten")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_temporary_folder_is_in_the_store_and_removed_after_its_block(store: Path) -> None:
    with temporary_folder("rows") as folder:
        assert folder.is_dir()
        assert folder.is_relative_to(store / "tmp")
    assert not folder.exists()


def test_temporary_files_of_ended_processes_only_are_removed(store: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with temporary_folder("mine") as folder:
        left = [path.name for path in (store / "tmp").rglob("*")]
        assert "test.parquet" in left
        assert any(name.startswith("of-a-library-") for name in left)
        sweep_files()
        assert folder.is_dir()
        assert list((store / "tmp").iterdir()) == [private_folder()]


def test_temporary_files_without_a_process_are_removed_by_services_only(store: Path) -> None:
    (store / "tmp" / "of-the-worker").mkdir(parents=True)
    gone = replace(mine(), started="1")
    write_json(gone.path, vars(gone))
    sweep_files()
    assert (store / "tmp" / "of-the-worker").is_dir()
    sweep_services()
    assert not (store / "tmp" / "of-the-worker").exists()


def test_old_unfinished_writes_are_removed_and_new_ones_kept(store: Path) -> None:
    folder = store / "ledger" / "reviews"
    folder.mkdir(parents=True)
    names = ("1.json.0a1b2c3d.partial", "2.json.0a1b2c3d.partial", "1.json")
    for name in names:
        (folder / name).write_text("{}")
    for name in (names[0], names[2]):
        os.utime(folder / name, (0, 0))
    sweep_unfinished_writes()
    assert sorted(path.name for path in folder.iterdir()) == sorted(names[1:])

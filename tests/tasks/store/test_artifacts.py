"""Artifacts: their digests, folders and manifests."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.store.artifacts import Snapshot
from tasks.store.code import digest
from tasks.store.lookup import WorkToDoError, only_finding

KEY = "0123456789abcdef"
WHAT = {"rows": {"train": 1}, "splits": {"train": "a"}, "reasons": {}}


def made(store: Path) -> Snapshot:
    with Snapshot.making("d", KEY):
        return Snapshot(dataset="d", digest=KEY, **WHAT).commit()


def test_committed_artifact_is_found_equal(store: Path) -> None:
    artifact = made(store)
    assert Snapshot.find("d", KEY) == artifact


def test_a_folder_without_a_manifest_does_not_exist(store: Path) -> None:
    artifact = made(store)
    (artifact.folder / "manifest.json").unlink()
    assert Snapshot.find("d", KEY) is None


def test_failure_leaves_no_folder(store: Path) -> None:
    with pytest.raises(OSError, match="disk"), Snapshot.making("d", KEY) as folder:
        (folder / "train.parquet").write_text("half")
        raise OSError("disk")
    assert not folder.exists()


def test_remains_of_a_killed_process_are_removed_before_a_new_start(store: Path) -> None:
    folder = Snapshot.folder_of("d", KEY)
    folder.mkdir(parents=True)
    (folder / "old").write_text("half")
    with Snapshot.making("d", KEY) as again:
        assert list(again.iterdir()) == []


def test_partial_folder_can_be_kept_to_resume_from(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Snapshot.making("d", KEY, keep_partial=True) as folder:
        (folder / "resume").write_text("half")
        raise KeyboardInterrupt
    with Snapshot.making("d", KEY, keep_partial=True) as again:
        assert (again / "resume").read_text() == "half"


def test_the_manifest_is_written_after_all_other_files(store: Path) -> None:
    artifact = made(store)
    assert [path.name for path in artifact.folder.iterdir()] == ["manifest.json"]
    assert not list(artifact.folder.glob("*.partial"))


def filled(store: Path) -> Snapshot:
    """A snapshot of two files, one of which is in a folder."""
    with Snapshot.making("d", KEY) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "small.json").write_text("small")
        (folder / "large.bin").write_bytes(os.urandom(3 << 20))
        return Snapshot(dataset="d", digest=KEY, **WHAT).commit()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "a bit flipped": flip,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", ["manifest.json", "inner/small.json", "large.bin"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_artifact_is_moved_aside_and_counts_as_missing(
    store: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = filled(store)
    assert Snapshot.find("d", KEY) == artifact
    time.sleep(0.01)  # the clock of a file system ticks in milliseconds
    DAMAGES[damage](artifact.folder / name)
    assert Snapshot.find("d", KEY) is None
    if (name, damage) == ("manifest.json", "deleted"):  # it was never finished
        return
    assert str(artifact.folder / name) in caplog.text
    assert not artifact.folder.exists()
    assert [path.name[:11] for path in (store / "damaged").iterdir()] == ["snapshots-d"]
    assert filled(store) == Snapshot.find("d", KEY)


def test_a_manifest_of_another_artifact_counts_as_damage(store: Path) -> None:
    made(store).folder.rename(Snapshot.folder_of("d", "other"))
    assert Snapshot.find("d", "other") is None


def test_a_manifest_of_an_earlier_version_is_read(store: Path) -> None:
    artifact = made(store)
    path = artifact.folder / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: fields[name] for name in fields.keys() - {"files", "checksum"}})
    )
    assert Snapshot.find("d", KEY) == artifact


def test_report_pages_are_not_part_of_the_manifest(store: Path) -> None:
    artifact = made(store)
    (artifact.folder / "report.html").write_text("a page")
    artifact.commit()
    (artifact.folder / "report.html").write_text("another page")
    assert Snapshot.find("d", KEY) == artifact


def test_all_files_and_folders_are_flushed_before_the_manifest(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: flushed.append(str(Path(f"/proc/self/fd/{file}").readlink()))
    )
    artifact = filled(store)
    manifest = next(i for i, path in enumerate(flushed) if "manifest.json" in path)
    folder = artifact.folder
    expected = {
        folder / "inner" / "small.json",
        folder / "large.bin",
        folder / "inner",
        folder,
        folder.parent,
        store,
    }
    assert {str(path) for path in expected} <= set(flushed[:manifest])


def make_once(home: str, start: object, results: object) -> None:
    """Make an artifact in a separate process, unless it exists."""
    os.environ["REFRAIN_HOME"] = home
    start.wait()  # type: ignore[attr-defined]
    with Snapshot.once("d", KEY) as (found, folder):
        if found is None:
            assert list(folder.iterdir()) == []
            (folder / "train.parquet").write_text(str(os.getpid()))
            time.sleep(0.2)
            Snapshot(dataset="d", digest=KEY, **WHAT).commit()
        results.put(found is None)  # type: ignore[attr-defined]


def test_one_of_several_processes_makes_the_artifact_in_a_new_store(store: Path) -> None:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(6)
    results = fork.Queue()
    workers = [fork.Process(target=make_once, args=(str(store), start, results)) for _ in range(6)]
    for worker in workers:
        worker.start()
    made_by = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(made_by) == [False] * 5 + [True]
    assert Snapshot.find("d", KEY)


def test_finding_an_artifact_takes_no_lock(store: Path) -> None:
    with pytest.raises(WorkToDoError), only_finding(), Snapshot.once("d", KEY):
        raise AssertionError
    assert not (store / "locks").exists()


def test_digest_of_equal_values_does_not_depend_on_their_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1, "b": None}, {}])
def test_digest_of_different_values_differs(other: dict[str, object]) -> None:
    assert digest({"a": 1}) != digest(other)

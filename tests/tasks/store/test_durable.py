"""Durable writes: order of flushes and renames, and the files after a crash."""

import os
from pathlib import Path

import pytest

from tasks.store import durable


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The flushes and renames of a test, in order, each with the name of its file."""
    found: list[str] = []
    fsync = os.fsync
    replace = Path.replace

    def seen_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        found.append(f"flush {path.name.split('.')[0]}")
        fsync(descriptor)

    def seen_replace(path: Path, target: Path) -> Path:
        found.append(f"rename to {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    return found


def test_a_text_is_flushed_before_its_rename_and_the_folder_after_it(
    tmp_path: Path, calls: list[str]
) -> None:
    durable.write_text(tmp_path / "store" / "note", "text")
    names = f"flush {tmp_path.name}"  # the folder is new
    assert calls == [names, "flush note", "rename to note", "flush store"]


def test_a_new_text_replaces_an_earlier_one_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    durable.write_text(path, "before")
    durable.write_text(path, "ärger\n")
    assert path.read_bytes() == "ärger\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_before_the_rename_keeps_the_earlier_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError("disk")

    path = tmp_path / "note.txt"
    durable.write_text(path, "before")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="disk"):
        durable.write_text(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_flushed_with_everything_in_it_before_its_rename(
    tmp_path: Path, calls: list[str]
) -> None:
    before = tmp_path / "partial"
    (before / "inner").mkdir(parents=True)
    (before / "inner" / "rows").write_text("rows")
    durable.rename(before, tmp_path / "final")
    assert set(calls[:2]) == {"flush inner", "flush rows"}
    assert calls[2:] == ["flush partial", "rename to final", f"flush {tmp_path.name}"]
    assert (tmp_path / "final" / "inner" / "rows").read_text() == "rows"

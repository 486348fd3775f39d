"""Logs and removal lists: written lines are read back, or reading raises."""

from pathlib import Path

import pytest

from tasks.store.growing_files import append_line, read_grown, read_lines, seal_path, write_grown
from tasks.store.sealed import DamagedError

LINES = [{"number": number} for number in range(5)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file of five lines."""
    path = tmp_path / "accepted" / "made.jsonl"
    for line in LINES:
        append_line(path, line)
    return path


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.write_bytes(b""), "has 0 bytes, expected"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "bytes, expected"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"3", b"7")), "other content"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "other content"),
        (lambda path: path.unlink(), "has been deleted"),
    ],
    ids=["emptied", "cut", "changed", "zeroed", "deleted"],
)
def test_damaged_log_raises_with_content_and_remedy(log: Path, damage: object, fault: str) -> None:
    damage(log)  # type: ignore[operator]
    for use in (read_lines, lambda path: append_line(path, {})):
        with pytest.raises(DamagedError, match=fault) as error:
            use(log)
        assert str(log) in str(error.value)
        assert "holds the snapshots accepted for training" in str(error.value)
        assert "refrain verify --set-aside" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b'{"bytes": 3, "xxh3": "0", "checksum": "1"}'])
def test_damaged_seal_is_written_again(log: Path, content: bytes) -> None:
    seal_path(log).write_bytes(content)
    assert read_lines(log) == LINES
    append_line(log, {})
    log.write_bytes(b"")
    with pytest.raises(DamagedError):
        read_lines(log)


def test_invalid_line_without_a_seal_raises_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "snapshots" / "made.jsonl"
    path.parent.mkdir()
    path.write_text('{"number": 1}\n{"numb\n')
    with pytest.raises(DamagedError, match=r"made.jsonl has a damaged line 2"):
        read_lines(path)


def test_list_that_grew_after_its_seal_is_read(tmp_path: Path) -> None:
    path = tmp_path / "removals" / "made.txt"
    write_grown(path, "a\n")
    before = seal_path(path).read_bytes()
    write_grown(path, "a\nb\n")
    seal_path(path).write_bytes(before)  # as after a power cut between the two writes
    assert read_grown(path) == b"a\nb\n"


def test_lines_are_read_back_in_the_order_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "log" / "made.jsonl"
    lines = [{"number": 1, "text": "a\nb"}, {"number": 2, "text": "ü"}]
    for line in lines:
        append_line(path, line)
    assert read_lines(path) == lines


def test_truncated_line_is_removed_with_the_next_append(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    append_line(path, {"number": 1})
    with path.open("ab") as file:
        file.write(b'{"text": "\xc3')  # the first byte of a character
    assert read_lines(path) == [{"number": 1}]
    append_line(path, {"number": 2})
    assert read_lines(path) == [{"number": 1}, {"number": 2}]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "made.jsonl") == []

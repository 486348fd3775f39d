"""Rows from standard input are a temporary file during the prediction."""

import io
from pathlib import Path

import pytest

from tasks.inference.standard_input import ending_of, with_standard_input

ROWS = b"text\nlumo\n"


@pytest.mark.parametrize(
    ("head", "ending"),
    [
        (b"PAR1\x15\x04", "parquet"),
        (b'\n {"text": "a"}\n', "jsonl"),
        (b'\xef\xbb\xbf{"text": "a"}\n', "jsonl"),
        (b"id\ttext\n1\tlumo\n", "tsv"),
        (b"id,text\n1,a\tb\n", "csv"),
        (b"text\nlumo\n", "csv"),
        (b"", "csv"),
    ],
)
def test_standard_input_format_is_detected_from_the_first_bytes(head: bytes, ending: str) -> None:
    assert ending_of(head) == ending


def test_standard_input_is_a_temporary_file_named_by_its_content(store: Path) -> None:
    names = []
    for _ in range(2):
        with with_standard_input(["a.csv", "-"], io.BytesIO(ROWS)) as (first, path):
            assert (first, Path(path).read_bytes()) == ("a.csv", ROWS)
            names.append(path)
        assert not Path(path).exists()
    assert names[0] == names[1]
    with with_standard_input(["-"], io.BytesIO(ROWS + ROWS)) as (other,):
        assert other not in names


def test_standard_input_is_not_read_when_only_files_are_given(store: Path) -> None:
    stream = io.BytesIO(ROWS)
    with with_standard_input(["a.csv"], stream) as sources:
        assert sources == ["a.csv"]
    assert stream.tell() == 0
    assert not (store / "tmp").exists()


def test_standard_input_given_twice_raises(store: Path) -> None:
    with (
        pytest.raises(ValueError, match="names standard input twice"),
        with_standard_input(["-", "-"], io.BytesIO(ROWS)),
    ):
        pass

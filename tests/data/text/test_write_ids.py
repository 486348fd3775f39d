"""Rows written as ids to disk: truncation and omission."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.errors import RowError
from data.text.encoder import Encoder, TokenSettings
from data.text.write_ids import write_ids

SETTINGS = TokenSettings(min_frequency=1, max_length=3)
TEXTS = ["lumo sela", "lumo sela nuri dosh vek", "nuri", "dosh lumo sela nuri"]
LABELLED = pa.table({"text": TEXTS, "label": ["n", "p", "n", "p"]})
PAIRS = pa.table({"source": TEXTS, "target": ["a", "b", "a b a b", "b"]})
TAGGED = pa.table(
    {
        "tokens": [text.split() for text in TEXTS],
        "tags": [["B-X"] + ["O"] * text.count(" ") for text in TEXTS],
    }
)


def read(folder: Path, name: str) -> list[list[int]]:
    ids = np.load(folder / f"{name}.npy", mmap_mode="r")
    offsets = np.load(folder / f"{name}.offsets.npy")
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def written(
    folder: Path, split: str, train: pa.Table, rows: pa.Table | None = None, size: int = 2
) -> tuple[int, Encoder]:
    encoder = Encoder.build("words", train, SETTINGS)
    table = train if rows is None else rows
    tables = [table.slice(at, size) for at in range(0, table.num_rows, size)]
    return write_ids(folder, split, tables, encoder, SETTINGS), encoder


def test_training_texts_are_truncated_at_the_maximum_length(tmp_path: Path) -> None:
    assert written(tmp_path, "train", LABELLED)[0] == 4
    assert [len(row) for row in read(tmp_path, "train.source")] == [2, 3, 1, 3]
    assert read(tmp_path, "train.target") == [[0], [1], [0], [1]]


def test_tags_are_truncated_with_their_tokens(tmp_path: Path) -> None:
    written(tmp_path, "train", TAGGED)
    assert (
        [len(row) for row in read(tmp_path, "train.target")]
        == [len(row) for row in read(tmp_path, "train.source")]
        == [2, 3, 1, 3]
    )


def test_training_pairs_above_the_maximum_length_are_omitted(tmp_path: Path) -> None:
    num, encoder = written(tmp_path, "train", PAIRS)
    assert num == 1
    assert read(tmp_path, "train.source") == [encoder.source.encode(["lumo sela"])[0].tolist()]


@pytest.mark.parametrize("table", [LABELLED, PAIRS, TAGGED], ids=["labels", "pairs", "tags"])
def test_test_rows_are_neither_truncated_nor_omitted(table: pa.Table, tmp_path: Path) -> None:
    num, encoder = written(tmp_path, "test", table)
    assert num == 4
    for side, (ids, offsets) in zip(("source", "target"), encoder.encode(table), strict=True):
        assert read(tmp_path, f"test.{side}") == [ids[a:b].tolist() for a, b in pairwise(offsets)]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_rows_with_unknown_labels_are_omitted_from_validation_only(
    split: str, tmp_path: Path
) -> None:
    rows = pa.table({"text": TEXTS, "label": ["n", "new", "p", "new"]})
    assert written(tmp_path, split, LABELLED, rows)[0] == {"validation": 2, "test": 4}[split]


def test_row_with_one_unknown_tag_is_omitted(tmp_path: Path) -> None:
    rows = pa.table({"tokens": [["lumo", "sela"], ["nuri"]], "tags": [["B-X", "B-Y"], ["O"]]})
    assert written(tmp_path, "validation", TAGGED, rows)[0] == 1
    assert read(tmp_path, "validation.target") == [[0]]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_written_ids_do_not_depend_on_batch_size(size: int, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    written(tmp_path, "train", TAGGED, size=100)
    written(tmp_path / "parts", "train", TAGGED, size=size)
    names = sorted(path.name for path in tmp_path.glob("*.npy"))
    assert [(tmp_path / name).read_bytes() for name in names] == [
        (tmp_path / "parts" / name).read_bytes() for name in names
    ]


@pytest.mark.parametrize("rows", [PAIRS.slice(1, 1), PAIRS.slice(0, 0)], ids=["too long", "none"])
def test_training_split_without_remaining_rows_raises(rows: Any, tmp_path: Path) -> None:
    with pytest.raises(
        RowError, match=r"no row of train is left within max_length 3: raise tokens\.max_length"
    ):
        written(tmp_path, "train", PAIRS, rows)

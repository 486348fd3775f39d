import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.arrays import Encoded, GrowingArray, RaggedFile, cut, kept, ragged

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=8)


def rows_of(encoded: Encoded) -> list[list[int]]:
    ids, offsets = encoded
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


@pytest.mark.parametrize("rows", [[], [[]], [[1, 2], [], [3]], [[], [7]]])
def test_concatenated_lists_are_restored_by_offsets(rows: list[list[int]]) -> None:
    ids, offsets = ragged(rows)
    assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)
    assert rows_of((ids, offsets)) == rows


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(1, 6))
def test_truncation_keeps_the_first_ids_of_each_row(rows: list[list[int]], length: int) -> None:
    assert rows_of(cut(ragged(rows), length)) == [row[:length] for row in rows]


@settings(max_examples=50, deadline=None)
@given(ROWS, st.data())
def test_selection_keeps_rows_whole_and_in_order(
    rows: list[list[int]], data: st.DataObject
) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    assert rows_of(kept(ragged(rows), np.asarray(keep))) == [
        row for row, is_kept in zip(rows, keep, strict=True) if is_kept
    ]


@pytest.mark.parametrize("parts", [[], [0], [3, 0, 5], [10_000, 123_456]])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_appended_file_equals_one_saved_by_numpy(
    tmp_path: Path, parts: list[int], dtype: type
) -> None:
    values = [np.arange(num, dtype=dtype) for num in parts]
    array = GrowingArray(tmp_path / "grown.npy", dtype)
    for part in values:
        array.append(part)
    array.close()
    saved = io.BytesIO()
    np.save(saved, np.concatenate([np.zeros(0, dtype), *values]))
    assert (tmp_path / "grown.npy").read_bytes() == saved.getvalue()


@pytest.mark.parametrize("num_parts", [1, 2, 5])
def test_appended_rows_are_read_back_memory_mapped(tmp_path: Path, num_parts: int) -> None:
    rows = [[i] * (i % 4) for i in range(10)]
    with RaggedFile(tmp_path, "train.source") as file:
        for part in np.array_split(np.arange(len(rows)), num_parts):
            file.append(ragged([rows[i] for i in part]))
    ids = np.load(tmp_path / "train.source.npy", mmap_mode="r")
    offsets = np.load(tmp_path / "train.source.offsets.npy")
    assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)
    assert rows_of((ids, offsets)) == rows


def test_file_without_rows_has_one_offset(tmp_path: Path) -> None:
    RaggedFile(tmp_path, "test.target").__exit__(None, None, None)
    assert np.load(tmp_path / "test.target.npy", mmap_mode="r").shape == (0,)
    assert np.load(tmp_path / "test.target.offsets.npy").tolist() == [0]

"""What happens to rows on their way to ids."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from data.vocabulary import ragged
from tasks.tokenize import cut, kept, limited

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=8)


def rows_of(ids: np.ndarray, offsets: np.ndarray) -> list[list[int]]:
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


@settings(max_examples=50)
@given(ROWS, st.integers(1, 6))
def test_cutting_keeps_the_first_ids_of_each_row(rows: list[list[int]], length: int) -> None:
    assert rows_of(*cut(*ragged(rows, len(rows)), length)) == [row[:length] for row in rows]


@settings(max_examples=50)
@given(ROWS, st.data())
def test_keeping_rows_keeps_them_whole_and_in_order(rows: list[list[int]], data: st.DataObject) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    found = kept(*ragged(rows, len(rows)), np.asarray(keep))
    assert rows_of(*found) == [row for row, is_kept in zip(rows, keep, strict=True) if is_kept]


def texts(*numbers: int) -> pa.Table:
    return pa.table({"text": [f"text {n}" for n in numbers], "label": ["a"] * len(numbers)})


def test_a_limit_takes_the_same_rows_whatever_their_order() -> None:
    some, other = limited(texts(*range(50)), 10), limited(texts(*reversed(range(50))), 10)
    assert set(some["text"].to_pylist()) == set(other["text"].to_pylist())


def test_a_smaller_limit_takes_some_of_a_larger_one() -> None:
    few, many = limited(texts(*range(50)), 5), limited(texts(*range(50)), 20)
    assert set(few["text"].to_pylist()) < set(many["text"].to_pylist())


def test_no_limit_takes_everything() -> None:
    assert limited(texts(1, 2), 0).num_rows == 2

import re
from typing import Any

import pyarrow as pa
import pytest

from data.errors import RowError
from data.text.labels import Labels


def column(*chunks: list[Any], is_list: bool = False) -> pa.ChunkedArray:
    return pa.chunked_array(list(chunks), pa.list_(pa.string()) if is_list else pa.string())


def test_labels_are_numbered_in_sorted_order() -> None:
    assert Labels.of([column(["pos", "neg"]), column(["zero", "neg"])]).names == (
        "neg",
        "pos",
        "zero",
    )


def test_no_entity_is_tag_zero() -> None:
    assert Labels.of([column([["B-PER", "I-PER"], ["O", "B-LOC"]], is_list=True)]).names == (
        "O",
        "B-LOC",
        "B-PER",
        "I-PER",
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["pos", "pos"], "the training split has 1 label (pos), expected at least two"),
        ([], "has 0 label"),
    ],
)
def test_fewer_than_two_labels_raise(labels: list[str], message: str) -> None:
    with pytest.raises(RowError, match=re.escape(message)):
        Labels.of([column(labels)])


def test_each_label_has_one_number() -> None:
    ids, offsets = Labels(("neg", "pos")).encode(column(["pos", "neg"], ["pos"]))
    assert (ids.tolist(), offsets.tolist()) == ([1, 0, 1], [0, 1, 2, 3])


def test_each_tag_of_a_row_has_a_number() -> None:
    ids, offsets = Labels(("O", "B-X")).encode(column([["O", "B-X"]], [["O"]], is_list=True))
    assert (ids.tolist(), offsets.tolist()) == ([0, 1, 0], [0, 2, 3])


def test_unknown_label_is_encoded_as_minus_one() -> None:
    assert Labels(("neg", "pos")).encode(column(["pos", "mixed"]))[0].tolist() == [1, -1]


def test_unknown_tag_is_encoded_as_minus_one() -> None:
    assert Labels(("O", "B-X")).encode(column([["B-Y", "B-X"]], is_list=True))[0].tolist() == [
        -1,
        1,
    ]


def test_slice_of_a_column_is_encoded_correctly() -> None:
    ids, offsets = Labels(("O", "B-X")).encode(
        column([["O"], ["B-X", "O"], ["B-X"]], is_list=True).slice(1)
    )
    assert (ids.tolist(), offsets.tolist()) == ([1, 0, 1], [0, 2, 3])


@pytest.mark.parametrize("is_list", [False, True])
def test_no_rows_give_no_numbers(is_list: bool) -> None:
    ids, offsets = Labels(("O", "B-X")).encode(column(is_list=is_list))
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_numbers_are_decoded_to_names() -> None:
    labels = Labels(("O", "B-X", "I-X"))
    assert labels.decode(
        labels.encode(column([["B-X", "I-X", "O"]], is_list=True))[0].tolist()
    ) == ["B-X", "I-X", "O"]

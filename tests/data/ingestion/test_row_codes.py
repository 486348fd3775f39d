"""Words, characters and labels as ids."""

import pyarrow as pa
import pytest

from data.ingestion.row_codes import RowCodes, character_codes, label_codes, word_codes


def names_of(codes: RowCodes) -> list[list[str]]:
    names = codes.names.to_pylist()
    return [
        [names[i] for i in codes.ids[start:stop]]
        for start, stop in zip(codes.offsets[:-1], codes.offsets[1:], strict=True)
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["Lumo sela", "lumo"], [["lumo", "sela"], ["lumo"]]),
        ([["Ta", "mi"], [], ["mi"]], [["Ta", "mi"], [], ["mi"]]),
        (["我们 在", "我"], [["我", "们", " ", "在"], ["我"]]),
    ],
)
def test_words_are_small_letters_tokens_or_characters(rows: list, expected: list) -> None:
    assert names_of(word_codes(pa.chunked_array([rows]))) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["ëb𝄞", "", "b"], [["ë", "b", "𝄞"], [], ["b"]]),
        ([["ab", "c"], ["a"]], [["a", "b", "c"], ["a"]]),
    ],
)
def test_characters_are_those_of_the_text(rows: list, expected: list) -> None:
    assert names_of(character_codes(pa.chunked_array([rows]))) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["pos", "neg", "pos"], [["pos"], ["neg"], ["pos"]]),
        ([["O", "B-PER", "I-PER"], ["O"], ["B-LOC", "B-PER"]], [["PER"], [], ["LOC", "PER"]]),
    ],
)
def test_labels_are_names_or_the_kinds_of_entities(rows: list, expected: list) -> None:
    assert names_of(label_codes(pa.chunked_array([rows]))) == expected


def test_a_column_of_several_chunks_is_one() -> None:
    column = pa.chunked_array([["lumo sela"], ["nuri"]])
    assert names_of(word_codes(column)) == [["lumo", "sela"], ["nuri"]]


def test_known_names_are_marked() -> None:
    codes = word_codes(pa.chunked_array([["lumo sela lumo"]]))
    assert codes.is_in(pa.array(["lumo"])).tolist() == [True, False, True]

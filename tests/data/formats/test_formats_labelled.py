from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.formats.encoding import BROKEN
from tests.data.reading import read, small_blocks, values

LABELS = st.sampled_from(["0", "1", "sehr gut"[:4], "é"])
TEXTS = st.text("ab é今\t", min_size=1, max_size=9).filter(str.strip)


def rows(content: str, **options: Any) -> list[tuple[Any, ...]]:
    return values(read("labelled", content.encode(), {}, **options), "row", "label", "text", "kind")


def test_first_word_is_the_label_and_the_rest_the_text() -> None:
    assert rows("1 lumo sela , ta\n\n0  grak\r\n") == [
        (1, "1", "lumo sela , ta", None),
        (3, "0", " grak", None),
    ]


def test_prefix_is_removed_and_the_separator_can_be_set() -> None:
    assert rows("__label__pos\tlumo ta\n", prefix="__label__", separator="\t") == [
        (1, "pos", "lumo ta", None)
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("__label__pos", "no text behind the label and a ' '"),
        ("pos lumo ta", "does not begin with '__label__'"),
        ("__label__pos __label__neg ta", "has several labels, expected one"),
    ],
)
def test_line_without_label_or_text_is_rejected_alone(line: str, reason: str) -> None:
    wrong, right = read("labelled", f"{line}\n__label__pos ta\n".encode(), {}, prefix="__label__")
    assert (wrong["kind"], wrong["reason"], wrong["raw"]) == ("fields", reason, line)
    assert (right["row"], right["label"], right["text"]) == (2, "pos", "ta")


def test_bytes_of_another_encoding_are_marked() -> None:
    assert values(read("labelled", b"1 caf\xe9\n", {}), "text") == [f"caf{BROKEN}e9"]


@given(st.lists(st.tuples(LABELS, TEXTS), max_size=8), st.integers(4, 40))
def test_lines_are_read_back_equal_for_any_block_size(
    pairs: list[tuple[str, str]], size: int
) -> None:
    content = "".join(f"{label} {text}\n" for label, text in pairs)
    with small_blocks(size):
        assert [row[1:3] for row in rows(content)] == pairs

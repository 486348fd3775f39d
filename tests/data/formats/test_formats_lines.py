from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from tests.data.reading import read, small_blocks, values

ODD = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh"  # what Python, not a file, takes for line ends
TUNE: dict[str, str | int] = {"text": "tune"}


def texts(content: str, unit: str, **options: Any) -> list[tuple[int, str]]:
    return values(read("text", content.encode(), {}, unit=unit, **options), "row", "text")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("line", [(2, "a"), (3, " b"), (5, "c")]),
        ("paragraph", [(2, "a\n b"), (5, "c")]),
        ("file", [(1, "\na\n b\n \t\nc\n")]),
    ],
)
def test_text_is_a_line_a_paragraph_or_a_file(unit: str, expected: list[tuple[int, str]]) -> None:
    assert texts("\na\r\n b\n \t\nc\n\n", unit) == expected


@pytest.mark.parametrize("unit", ["line", "paragraph", "file"])
@pytest.mark.parametrize("content", ["", "\n", " \n\t\r\n\n"])
def test_blank_file_has_no_texts(unit: str, content: str) -> None:
    assert texts(content, unit) == []


@pytest.mark.parametrize("unit", ["line", "paragraph", "file"])
def test_only_newlines_end_lines(unit: str) -> None:
    assert texts(ODD, unit) == [(1, ODD)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text("aé 今\t", max_size=9).filter(str.strip), min_size=1, max_size=4),
        max_size=6,
    ),
    st.integers(4, 40),
    st.integers(0, 9),
)
def test_paragraphs_are_read_back_equal(paragraphs: list[list[str]], size: int, seed: int) -> None:
    content = "\n \n\n".join("\n".join(lines) for lines in paragraphs)
    with small_blocks(size):
        assert [text for _, text in texts(content, "paragraph", seed=seed)] == [
            "\n".join(lines) for lines in paragraphs
        ]
        assert [text for _, text in texts(content, "line", seed=seed)] == [
            line for lines in paragraphs for line in lines
        ]


@pytest.mark.parametrize("unit", ["line", "paragraph", "file"])
def test_endless_text_does_not_fill_the_memory(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lines", "plain"):
        monkeypatch.setattr(f"data.formats.{module}.LONGEST_BYTES", 1000)
    with small_blocks(64), pytest.raises(RowError, match="is longer than 1,000 bytes"):
        texts("lumo " * 1000 if unit == "line" else "lumo\n" * 1000, unit)


def pairs(source: str, target: str, **options: Any) -> list[tuple[Any, ...]]:
    return values(
        read("parallel", [source.encode(), target.encode()], {}, **options),
        "row",
        "source",
        "target",
        "kind",
    )


def test_lines_of_equal_number_form_a_pair() -> None:
    assert pairs("a\nb\r\nc", "x\ny\nz\n") == [
        (1, "a", "x", None),
        (2, "b", "y", None),
        (3, "c", "z", None),
    ]


def test_only_newlines_end_the_lines_of_a_pair() -> None:
    assert pairs(f"{ODD}\nb\n", f"x\n{ODD}\n") == [(1, ODD, "x", None), (2, "b", ODD, None)]


def test_pair_with_one_empty_side_is_a_fault() -> None:
    rows = read("parallel", [b"a\n\nc\n\n", b"x\ny\n \n\n"], {})
    assert values(rows, "row", "kind", "reason", "raw") == [
        (1, None, None, None),
        (2, "one_side", "the source of line 2 is empty, its target is not", "\ty"),
        (3, "one_side", "the target of line 3 is empty, its source is not", "c\t "),
        (4, None, None, None),
    ]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("more", [1, 5000])
def test_files_of_different_lengths_raise_after_the_complete_pairs(
    swapped: bool, more: int
) -> None:
    contents = [b"a\nb\n", b"x\ny\n" + b"z\n" * more]
    message = (
        f"the source has {more + 2 if swapped else 2:,} lines and the target "
        f"{2 if swapped else more + 2:,}"
    )
    with small_blocks(64), pytest.raises(RowError, match=message):
        read("parallel", contents[::-1] if swapped else contents, {})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.text("aé今 ", max_size=30)] * 2), max_size=20),
    st.integers(4, 60),
    st.integers(0, 9),
)
def test_pairs_are_read_back_equal_for_any_block_size(
    lines: list[tuple[str, str]], size: int, seed: int
) -> None:
    contents = ["".join(side[number] + "\n" for side in lines) for number in (0, 1)]
    with small_blocks(size):
        rows = read("parallel", [content.encode() for content in contents], {}, seed=seed)
    assert values(rows, "row") == list(range(1, len(lines) + 1))
    for row, pair in zip(rows, lines, strict=True):
        is_odd = bool(pair[0].strip()) != bool(pair[1].strip())
        assert (
            (row["kind"] == "one_side" and row["raw"] == "\t".join(pair))
            if is_odd
            else (row["source"], row["target"]) == pair
        )


TUNES = (
    "%abc-2.1\nfree text\nX:1\nT:Lumo\nR: jig \nK:D\nabc|\n\ndef|\n\n\nX: "
    "2\nT:Mi\nT:Ta\nK:G\ngab|\n"
)


def test_tune_extends_to_the_next_number_without_blank_lines() -> None:
    assert values(read("abc", TUNES.encode(), TUNE), "row", "text") == [
        (3, "X:1\nT:Lumo\nR: jig \nK:D\nabc|\ndef|"),
        (12, "X: 2\nT:Mi\nT:Ta\nK:G\ngab|"),
    ]


def test_first_field_of_a_letter_is_a_column() -> None:
    rows = read("abc", TUNES.encode(), {"text": "tune", "label": "R", "key": "X", "where.T": "T"})
    assert values(rows, "label", "key", "where.T") == [("jig", "1", "Lumo"), (None, "2", "Mi")]


def test_file_without_tunes_has_no_rows() -> None:
    assert read("abc", b"free text\n\nT:none\n", TUNE) == read("abc", b"", TUNE) == []


def test_tune_column_must_be_a_letter() -> None:
    with pytest.raises(
        RowError, match="has no column 'rhythm': expected tune, or the letter of a field, such as R"
    ):
        read("abc", TUNES.encode(), {"text": "tune", "label": "rhythm"})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["T:a", "R:jig", "K:D", "abc|", "é"]), max_size=5), max_size=8
    ),
    st.integers(4, 40),
)
def test_tunes_are_read_back_equal_for_any_block_size(tunes: list[list[str]], size: int) -> None:
    found = ["\n".join([f"X:{number}", *lines]) for number, lines in enumerate(tunes)]
    with small_blocks(size):
        rows = read("abc", "\n\n".join(found).encode(), {"text": "tune", "label": "R"}, seed=size)
    assert values(rows, "text") == found
    assert values(rows, "label") == ["jig" if "R:jig" in lines else None for lines in tunes]

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats.encoding import BROKEN
from data.formats.tags import SCHEMES
from tests.data.reading import read, small_blocks, values
from tests.data.tag_schemes import from_bio

CONLL: dict[str, str | int] = {"tokens": 0, "tags": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"Ursa B-PER\nta O\n\nmi O\n",
        b"Ursa B-PER\nta O\n\nmi O",
        b"Ursa B-PER\r\nta O\r\n\r\nmi O\r\n",
        b"\n\nUrsa B-PER\nta O\n\n\n\nmi O\n\n\n",
        b"Ursa B-PER\nta O\n\t\nmi O\n",
        b"Ursa B-PER\nta O\n \r\nmi O\n",
        b"Ursa B-PER more\nta O more\n\nmi O more\n",
    ],
    ids=[
        "plain",
        "no final newline",
        "CRLF",
        "many blank lines",
        "lone tab",
        "lone space",
        "more columns",
    ],
)
def test_sentence_ends_at_a_blank_line(content: bytes) -> None:
    rows = read("conll", content, CONLL)
    assert values(rows, "tokens", "tags", "kind") == [
        (["Ursa", "ta"], ["B-PER", "O"], None),
        (["mi"], ["O"], None),
    ]


def test_sentence_is_numbered_by_its_first_line() -> None:
    assert values(read("conll", b"\na O\nb O\n\n\nc O\n", CONLL), "row") == [2, 6]


def test_short_line_is_reported_with_its_number_and_affects_no_other_sentence() -> None:
    rows = read("conll", b"a O\n\nb O\nc\nd\n\ne O\n", CONLL)
    reason = "line 4 has too few columns, expected at least 2"
    assert values(rows, "row", "kind", "reason", "raw") == [
        (1, None, None, None), (3, "lengths_differ", reason, "b O\nc\nd"), (7, None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"\n\r\n\t\n", b"-DOCSTART- O\n\n"])
def test_file_without_sentences_has_no_rows(content: bytes) -> None:
    assert read("conll", content, CONLL) == []


def test_negative_columns_count_from_the_end() -> None:
    rows = read("conll", b"a NN O\nb O\n\nc\n", {"tokens": 0, "tags": -1})
    assert values(rows, "tokens", "tags", "reason") == [
        (["a", "b"], ["O", "O"], None),
        (None, None, "line 4 has too few columns, expected at least 2"),
    ]


def test_whitespace_of_any_length_separates() -> None:
    rows = read(
        "conll",
        b"a  NN\t O \n b\tNN O\n\xe3\x80\x80 NN O\n",
        {"tokens": 0, "tags": 2},
        separator="whitespace",
    )
    assert values(rows, "tokens", "tags") == [(["a", "b", "\u3000"], ["O", "O", "O"])]


def test_empty_token_is_left_to_the_checks() -> None:
    assert values(read("conll", b"a\tO\n\tO\n", CONLL, separator="\t"), "tokens") == [["a", ""]]


def test_comments_are_skipped_within_a_sentence() -> None:
    content = b"# id 1\na O\n# more\nb O\n\n# id 2\nc O\n\n# alone\n\n"
    assert values(read("conll", content, CONLL, comments="#"), "row", "tokens") == [
        (2, ["a", "b"]),
        (7, ["c"]),
    ]


def test_hash_sign_is_a_token_without_the_comment_option() -> None:
    assert values(read("conll", b"# O\n", CONLL), "tokens") == [["#"]]


def test_document_marks_are_skipped() -> None:
    content = (
        b"-DOCSTART- -X- O O\n\na NN O O\n\n-DOCSTART- -X- O O\n\nb NN O O\n-DOCSTART- NN O O\n"
    )
    columns: dict[str, str | int] = {"tokens": 0, "tags": 3}
    assert values(read("conll", content, columns), "row", "tokens") == [(3, ["a"]), (7, ["b"])]
    assert len(read("conll", content, columns, marks="")) == 4


def test_token_suffix_of_the_publisher_is_removed() -> None:
    rows = read("conll", b"en:Ursa O\nen:en:mi O\nta O\n", CONLL, strip_prefix="en:")
    assert values(rows, "tokens") == [["Ursa", "en:mi", "ta"]]
    rows = read(
        "conll", "今0 O\n天11 O\n20 O\n7 O\na O\n".encode(), CONLL, strip_suffix_digits=True
    )
    assert values(rows, "tokens") == [["今", "天", "2", "7", "a"]]


def test_bytes_that_are_not_utf8_mark_their_own_sentence() -> None:
    rows = read("conll", b"a O\n\ncaf\xe9 O\n\nb O\n", CONLL)
    assert values(rows, "tokens") == [["a"], [f"caf{BROKEN}e9"], ["b"]]


@pytest.mark.parametrize(
    ("scheme", "tags", "bio"),
    [
        ("BIO", "B-PER I-PER O", "B-PER I-PER O"),
        ("BIO", "I-PER O S-PER", "I-PER O S-PER"),
        ("IOB1", "I-PER I-PER B-PER I-LOC", "B-PER I-PER B-PER B-LOC"),
        ("BMES", "B-PER M-PER E-PER S-LOC", "B-PER I-PER I-PER B-LOC"),
        ("BIOES", "B-PER I-PER E-PER S-LOC", "B-PER I-PER I-PER B-LOC"),
    ],
)
def test_every_scheme_is_converted_to_bio(scheme: str, tags: str, bio: str) -> None:
    content = "".join(f"lumo {tag}\n" for tag in tags.split())
    assert values(read("conll", content.encode(), CONLL, scheme=scheme), "tags") == [bio.split()]


def test_unfinished_span_is_a_fault_with_its_token() -> None:
    rows = read("conll", b"a O\nb B-PER\nc O\n\nd S-PER\n", CONLL, scheme="BMES")
    assert values(rows, "row", "kind", "reason", "raw") == [
        (1, "tag_scheme", "token 2: B-PER is not ended by E-PER", "a O\nb B-PER\nc O"),
        (5, None, None, None),
    ]


def test_spans_do_not_continue_across_sentences() -> None:
    assert values(read("conll", b"a I-PER\n\nb I-PER\n", CONLL, scheme="IOB1"), "tags") == [
        ["B-PER"],
        ["B-PER"],
    ]


def test_sentence_may_be_longer_than_a_block() -> None:
    content = "a O\n\n" + "".join(f"lumo{number} O\n" for number in range(500)) + "\nb O\n"
    with small_blocks(64):
        rows = read("conll", content.encode(), CONLL)
    assert [len(tokens) for tokens in values(rows, "tokens")] == [1, 500, 1]
    assert values(rows, "row") == [1, 3, 504]


def test_endless_sentence_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("data.formats.lines.LONGEST_BYTES", 1000)
    with (
        small_blocks(64),
        pytest.raises(RowError, match="the sentence at line 2 is longer than 1,000 bytes"),
    ):
        read("conll", b"a O\n\n" + b"lumo O\n" * 1000, CONLL)


PIECE = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=8)
TAG = st.sampled_from(["B-PER", "B-LOC", "I", "O"])
SENTENCES = st.lists(
    st.lists(st.tuples(PIECE, TAG), min_size=1, max_size=6), min_size=1, max_size=8
)


def valid(sentence: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turn each ``I`` into one that continues the previous tag."""
    found: list[tuple[str, str]] = []
    for token, tag in sentence:
        before = found[-1][1] if found else "O"
        found.append((token, tag if tag != "I" else before if before == "O" else f"I-{before[2:]}"))
    return found


@settings(max_examples=100, deadline=None)
@given(
    SENTENCES,
    st.sampled_from([" ", "\t", "whitespace"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(SCHEMES),
    st.tuples(st.integers(0, 9), st.integers(4, 40)),
)
def test_sentences_written_as_conll_are_read_back_equal(
    sentences: list[list[tuple[str, str]]],
    separator: str,
    newline: str,
    is_ended: bool,
    scheme: str,
    cut: tuple[int, int],
) -> None:
    sentences = [valid(sentence) for sentence in sentences]
    between = "  " if separator == "whitespace" else separator
    blocks = [
        newline.join(
            token + between + tag
            for (token, _), tag in zip(
                sentence, from_bio([t for _, t in sentence], scheme), strict=True
            )
        )
        for sentence in sentences
    ]
    content = (newline * 2).join(blocks) + newline * is_ended
    options: dict[str, Any] = {"separator": separator, "scheme": scheme, "marks": ""}
    with small_blocks(cut[1]):
        rows = read("conll", content.encode(), CONLL, seed=cut[0], **options)
    assert [list(zip(row["tokens"], row["tags"], strict=True)) for row in rows] == sentences


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a O", "b B-X", "c E-X", "d", "", " ", "#", "-DOCSTART- O"]), max_size=20
    ),
    st.sampled_from(SCHEMES),
)
def test_every_token_line_is_in_a_row_or_a_fault(lines: list[str], scheme: str) -> None:
    rows = read("conll", "\n".join(lines).encode(), CONLL, scheme=scheme, marks="")
    found = [
        len(row["tokens"]) if row["kind"] is None else row["raw"].count("\n") + 1 for row in rows
    ]
    assert sum(found) == sum(bool(line.strip()) for line in lines)

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats import BLOCK_BYTES, BROKEN, FORMATS

TABLE: dict[str, str | int] = {"text": "text", "label": "label"}
PAIRS: dict[str, str | int] = {"source": 0, "target": 1}
CONLL: dict[str, str | int] = {"tokens": 0, "tags": 1}
BARE = {"header": False, "quote": False}


def read(kind: str, content: bytes, columns: Mapping[str, str | int], **options: Any) -> list[dict[str, Any]]:
    read_as = {**FORMATS[kind].options, "kind": kind, **options}
    return [row for table in FORMATS[kind].read(io.BytesIO(content), columns, read_as) for row in table.to_pylist()]


def values(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'text,label\n"one\ntwo",x\n', ("one\ntwo", "x")),
        (b'text,label\n"one, two",x\n', ("one, two", "x")),
        (b'text,label\n"say ""mi""",x\n', ('say "mi"', "x")),
        (b"text,label\r\none,x\r\n", ("one", "x")),
        (b"\xef\xbb\xbftext,label\none,x\n", ("one", "x")),
        (b"text,label\none,x", ("one", "x")),
        (b"label,other,text\nx,?,one\n", ("one", "x")),
        (b"text,label\nNULL,NA\n", ("NULL", "NA")),
        (b"text,label\n1.50,007\n", ("1.50", "007")),
        (b"text,label\n2020-01-01,true\n", ("2020-01-01", "true")),
    ],
    ids=["newline", "separator", "quotes", "CRLF", "BOM", "no final newline", "order", "null words", "numbers", "dates"],
)  # fmt: skip
def test_a_table_gives_the_text_of_its_fields(content: bytes, expected: tuple[str, str]) -> None:
    assert values(read("csv", content, TABLE), "text", "label") == [expected]


def test_rows_are_counted_from_the_header_on() -> None:
    assert values(read("csv", b"text,label\na,x\n\nb,y\n", TABLE), "row") == [(2,), (3,)]


def test_rows_are_counted_from_one_without_a_header() -> None:
    assert values(read("tsv", b"a\tx\nb\ty\n", PAIRS, **BARE), "row") == [(1,), (2,)]


def test_a_row_with_another_number_of_fields_is_kept_with_its_place() -> None:
    rows = read("csv", b'text,label\na,x\nb\n"c\nd",y\ne,f,g\nh,z\n', TABLE)
    assert values(rows, "row", "text", "fault", "raw") == [
        (2, "a", None, None), (4, "c\nd", None, None), (6, "h", None, None),
        (3, None, "1 fields, expected 2", "b"), (5, None, "3 fields, expected 2", "e,f,g"),
    ]  # fmt: skip


def test_rows_keep_their_numbers_across_blocks() -> None:
    lines = [f"{'lumo ' * 40}{i},x" if i % 1000 else "short" for i in range(2, 50_000)]
    rows = read("csv", ("text,label\n" + "\n".join(lines)).encode(), TABLE)
    assert len("\n".join(lines)) > 2 * BLOCK_BYTES
    assert all(row["text"].endswith(f" {row['row']}") if row["fault"] is None else row["row"] % 1000 == 0 for row in rows)
    assert sorted(row["row"] for row in rows) == list(range(2, 50_000))


@pytest.mark.parametrize("broken", [b"caf\xe9 mi", b"\xff\xfe", b"\xc3"], ids=["latin-1", "UTF-16 mark", "half a letter"])
def test_bytes_that_are_not_utf8_mark_their_own_row(broken: bytes) -> None:
    rows = read("csv", b"text,label\na,x\n" + broken + b",y\nb,z\n", TABLE)
    assert [BROKEN in row["text"] for row in rows] == [False, True, False]


def test_a_character_cut_short_at_the_end_of_the_file_is_marked() -> None:
    assert values(read("tsv", "a\tcafé".encode()[:-1], PAIRS, **BARE), "target") == [("caf" + BROKEN,)]


def test_broken_bytes_that_fill_a_block_lose_no_row() -> None:
    rows = read("csv", b"text,label\n" + (b"\xff" * 1000 + b",x\n") * 1500, TABLE)  # each byte is read as four
    assert values(rows, "row") == [(number,) for number in range(2, 1502)]


def test_the_types_of_other_columns_do_not_matter() -> None:
    content = b"text,label,id\n" + b"lumo,x,1\n" * (BLOCK_BYTES // 8) + b"lumo,x,one\n"  # a guess from the first block fails
    assert len(read("csv", content, TABLE)) == BLOCK_BYTES // 8 + 1


def test_quotes_mean_nothing_where_they_are_off() -> None:
    rows = read("tsv", b'"a\tb" c\n5" d\te\n', PAIRS, **BARE)
    assert values(rows, "source", "target") == [('"a', 'b" c'), ('5" d', "e")]


@pytest.mark.parametrize(
    ("content", "columns", "options", "said"),
    [
        (b"text,lable\na,x\n", TABLE, {}, "has no column 'label': its columns are text, lable"),
        (b"text,text,label\na,b,x\n", TABLE, {}, "has 2 columns 'text', expected one"),
        (b"a,b\n", {"source": 0, "target": 2}, BARE, r"has 2 columns, column 2 \(from 0\) was asked for"),
        (b"", TABLE, {}, "cannot be read as csv: .*[Ee]mpty"),
        (b'text,label\n"a,x\n' + b"b,x\n" * (BLOCK_BYTES // 2), TABLE, {}, "cannot be read as csv: .*block"),
    ],
    ids=["missing column", "column twice", "too few columns", "empty file", "a quote never closed"],
)
def test_a_file_that_is_not_as_the_catalog_says_is_an_error(
    content: bytes, columns: dict[str, str | int], options: dict[str, bool], said: str
) -> None:
    with pytest.raises(RowError, match=said):
        read("csv", content, columns, **options)


ROWS = st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters=BROKEN), min_size=1)] * 2), min_size=1)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_a_table_written_as_csv_reads_back_equal(
    rows: list[tuple[str, str]], separator: str, newline: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    assert values(read("csv", out.getvalue().encode(encoding), TABLE, separator=separator), "text", "label") == rows


@pytest.mark.parametrize(
    "content",
    [
        b"Ursa B-PER\nta O\n\nmi O\n",
        b"Ursa B-PER\nta O\n\nmi O",
        b"Ursa B-PER\r\nta O\r\n\r\nmi O\r\n",
        b"\xef\xbb\xbfUrsa B-PER\nta O\n\nmi O\n",
        b"\n\nUrsa B-PER\nta O\n\n\n\nmi O\n\n\n",
        b"Ursa B-PER\nta O\n\t\nmi O\n",
        b"Ursa B-PER\nta O\n \r\nmi O\n",
        b"Ursa B-PER more\nta O more\n\nmi O more\n",
    ],
    ids=["plain", "no final newline", "CRLF", "BOM", "many blank lines", "lone tab", "lone space", "more columns"],
)
def test_a_sentence_ends_at_a_blank_line(content: bytes) -> None:
    rows = read("conll", content, CONLL)
    assert values(rows, "tokens", "tags", "fault") == [(["Ursa", "ta"], ["B-PER", "O"], None), (["mi"], ["O"], None)]


def test_a_sentence_is_numbered_by_its_first_line() -> None:
    assert values(read("conll", b"\na O\nb O\n\n\nc O\n", CONLL), "row") == [(2,), (6,)]


def test_a_short_line_names_its_number_and_spares_other_sentences() -> None:
    rows = read("conll", b"a O\n\nb O\nc\nd\n\ne O\n", CONLL)
    fault = "line 4 has too few columns, expected at least 2"
    assert values(rows, "row", "fault", "raw") == [(1, None, None), (3, fault, "b O\nc\nd"), (7, None, None)]


def test_an_empty_conll_file_has_no_rows() -> None:
    assert read("conll", b"\n\r\n\t\n", CONLL) == []


@pytest.mark.parametrize(
    ("bmes", "bio"),
    [("S-PER", "B-PER"), ("B-PER", "B-PER"), ("M-PER", "I-PER"), ("E-PER", "I-PER"), ("O", "O"), ("E-S-M", "I-S-M")],
)
def test_bmes_becomes_bio(bmes: str, bio: str) -> None:
    assert values(read("conll", f"Ursa {bmes}\n".encode(), CONLL, scheme="BMES"), "tags") == [([bio],)]


def test_bio_stays_as_it_is() -> None:
    assert values(read("conll", b"Ursa S-PER\n", CONLL), "tags") == [(["S-PER"],)]


PIECE = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=8)
SENTENCES = st.lists(st.lists(st.tuples(PIECE, PIECE), min_size=1, max_size=6), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(SENTENCES, st.sampled_from([" ", "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_sentences_written_as_conll_read_back_equal(
    sentences: list[list[tuple[str, str]]], separator: str, newline: str, is_ended: bool
) -> None:
    blocks = [newline.join(token + separator + tag for token, tag in sentence) for sentence in sentences]
    content = (newline * 2).join(blocks) + newline * is_ended
    rows = read("conll", content.encode(), CONLL, separator=separator)
    assert [list(zip(row["tokens"], row["tags"], strict=True)) for row in rows] == sentences

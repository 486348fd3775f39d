import csv
import io
import time
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats.base import all_formats
from data.formats.delimited import BLOCK_BYTES, END
from data.formats.encoding import BROKEN
from tests.data.reading import read, small_blocks, values

TABLE: dict[str, str | int] = {"text": "text", "label": "label"}
PAIRS: dict[str, str | int] = {"source": 0, "target": 1}
BARE = {"header": False, "quote": False}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'text,label\n"one\ntwo",x\n', ("one\ntwo", "x")),
        (b'text,label\n"one, two",x\n', ("one, two", "x")),
        (b'text,label\n"say ""mi""",x\n', ('say "mi"', "x")),
        (b"text,label\r\none,x\r\n", ("one", "x")),
        (b"text,label\none,x", ("one", "x")),
        (b"label,other,text\nx,?,one\n", ("one", "x")),
        (b"text,label\nNULL,NA\n", ("NULL", "NA")),
        (b"text,label\n1.50,007\n", ("1.50", "007")),
        (b"text,label\n2020-01-01,true\n", ("2020-01-01", "true")),
        (b'text,label\n"",x\n', ("", "x")),
    ],
    ids=[
        "newline",
        "separator",
        "quotes",
        "CRLF",
        "no final newline",
        "order",
        "null words",
        "numbers",
        "dates",
        "empty",
    ],
)
def test_table_gives_the_text_of_its_fields(content: bytes, expected: tuple[str, str]) -> None:
    assert values(read("csv", content, TABLE), "text", "label") == [expected]


def test_rows_are_numbered_after_the_header() -> None:
    assert values(read("csv", b"text,label\na,x\n\nb,y\n", TABLE), "row") == [2, 3]


def test_rows_are_numbered_from_one_without_a_header() -> None:
    assert values(read("tsv", b"a\tx\nb\ty\n", PAIRS, **BARE), "row") == [1, 2]


def test_row_with_a_wrong_number_of_fields_is_rejected_with_its_number() -> None:
    rows = read("csv", b'text,label\na,x\nb\n"c\nd",y\ne,f,g\nh,z\n', TABLE)
    assert values(rows, "row", "text", "kind", "reason", "raw") == [
        (2, "a", None, None, None),
        (4, "c\nd", None, None, None),
        (6, "h", None, None, None),
        (3, None, "fields", "1 fields, expected 2", "b"),
        (5, None, "fields", "3 fields, expected 2", "e,f,g"),
    ]


def test_rows_keep_their_numbers_across_blocks() -> None:
    lines = [f"{'lumo ' * 40}{i},x" if i % 1000 else "short" for i in range(2, 50_000)]
    rows = read("csv", ("text,label\n" + "\n".join(lines)).encode(), TABLE)
    assert len("\n".join(lines)) > 2 * BLOCK_BYTES
    assert all(
        row["text"].endswith(f" {row['row']}") if row["kind"] is None else row["row"] % 1000 == 0
        for row in rows
    )
    assert sorted(values(rows, "row")) == list(range(2, 50_000))


@pytest.mark.parametrize(
    "broken", [b"caf\xe9 mi", b"\xff\xfe", b"\xc3"], ids=["latin-1", "UTF-16 mark", "half a letter"]
)
def test_bytes_that_are_not_utf8_mark_their_own_row(broken: bytes) -> None:
    rows = read("csv", b"text,label\na,x\n" + broken + b",y\nb,z\n", TABLE)
    assert [BROKEN in row["text"] for row in rows] == [False, True, False]


def test_invalid_bytes_that_fill_a_block_lose_no_row() -> None:
    rows = read(
        "csv", b"text,label\n" + (b"\xff" * 1000 + b",x\n") * 1500, TABLE
    )  # each byte is read as six
    assert values(rows, "row") == list(range(2, 1502))


def test_letters_divided_by_every_block_lose_no_row() -> None:
    line = "ĉiu vorto estas ŝanĝita,x\n".encode()  # 29 bytes: blocks end inside letters
    num = 2 * BLOCK_BYTES // len(line)
    assert len(read("csv", b"text,label\n" + line * num, TABLE)) == num


def test_types_of_unused_columns_do_not_matter() -> None:
    content = (
        b"text,label,id\n" + b"lumo,x,1\n" * (BLOCK_BYTES // 8) + b"lumo,x,one\n"
    )  # a guess from the first block fails
    assert len(read("csv", content, TABLE)) == BLOCK_BYTES // 8 + 1


@pytest.mark.parametrize("num", range(40))
def test_rows_with_null_bytes_are_not_lost_at_block_boundaries(num: int) -> None:
    lines = ["t" * (index * num % 9) + ",l" + "\0" * (index % 3) for index in range(40)]
    with patch("data.formats.delimited.BLOCK_BYTES", 100 + num):
        rows = read(
            "csv", ("text,label\n" + "".join(f"{line}\n" for line in lines)).encode(), TABLE
        )
    assert [f"{row['text']},{row['label']}" for row in rows] == lines


def test_row_with_a_wrong_number_of_fields_keeps_its_null_bytes() -> None:
    assert values(read("csv", b"text,label\na\0b\n", TABLE), "raw") == ["a\0b"]


def test_empty_fields_are_rows_of_a_table_without_a_header() -> None:
    assert values(read("tsv", b"\t\n\t\n", PAIRS, **BARE), "row", "source") == [(1, ""), (2, "")]


def test_quotes_are_literal_when_disabled() -> None:
    rows = read("tsv", b'"a\tb" c\n5" d\te\n', PAIRS, **BARE)
    assert values(rows, "source", "target") == [('"a', 'b" c'), ('5" d', "e")]


def test_column_without_a_name_is_selected_by_number() -> None:
    assert values(read("csv", b"a,a,b\n1,2,3\n", {"text": 1, "label": 2}), "text", "label") == [
        ("2", "3")
    ]


@pytest.mark.parametrize("header", ["text,label", "text,label\n", "text,label\r\n\r\n"])
def test_table_with_only_a_header_has_no_rows(header: str) -> None:
    assert read("csv", header.encode(), TABLE) == []


def test_empty_table_without_a_header_has_no_rows() -> None:
    assert read("tsv", b"\n", PAIRS, **BARE) == []


@pytest.mark.parametrize(
    ("content", "raw"),
    [
        (b'text,label\na,x\n"b,y\nc,z\n', '"b,y\nc,z'),
        (b'text,label\na,x\nb,"y\nc,z\n', "b,y\nc,z"),
        (b'text,label\na,x\nb,"y\nc,z', "b,y\nc,z"),
    ],
    ids=["fields missing", "last field", "no final newline"],
)
def test_unclosed_quote_is_a_fault_of_its_first_row(content: bytes, raw: str) -> None:
    rows = read("csv", content, TABLE)
    assert values(rows, "row", "kind", "raw") == [(2, None, None), (3, "fields", raw)]
    assert "never closed" in rows[1]["reason"]


def test_unclosed_quote_is_found_in_the_only_column() -> None:
    rows = read("csv", b'text\na\n"b\nc\n', {"text": "text"})
    assert values(rows, "row", "text", "kind", "raw") == [
        (2, "a", None, None),
        (3, None, "fields", "b\nc"),
    ]


def test_unclosed_quote_is_found_in_an_unused_column() -> None:
    rows = read("csv", b'text,label,other\na,x,\nb,y,"q\nc,z,\n', TABLE)
    assert values(rows, "row", "kind") == [(2, None), (3, "fields")]


def test_unclosed_quote_longer_than_a_block_is_reported() -> None:
    with (
        patch("data.formats.delimited.BLOCK_BYTES", 64),
        pytest.raises(RowError, match=r"after row 2 .* 64 bytes, or a quote in it"),
    ):
        read("csv", b'text,label\na,x\nb,"y\n' + b"c,z\n" * 100, TABLE)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_sentinel_row_is_never_returned(columns: int) -> None:
    names = ["text", "label", "other"][:columns]
    rows = read(
        "csv",
        (",".join(names) + "\n" + ",".join("abc"[:columns]) + "\n").encode(),
        {"text": "text"},
    )
    assert values(rows, "text") == ["a"]
    assert END not in str(rows)


@pytest.mark.parametrize(
    ("content", "columns", "options", "message"),
    [
        (b"text,lable\na,x\n", TABLE, {}, r"has no column 'label': did you mean lable\?"),
        (b"text,text,label\na,b,x\n", TABLE, {}, "has 2 columns 'text', expected one"),
        (
            b"a,b\n",
            {"source": 0, "target": 2},
            BARE,
            r"has 2 columns, column 2 \(from 0\) was requested",
        ),
        (
            b'"text,label\na,x\n',
            TABLE,
            {},
            "the first row is longer than .* or a quote in it is never closed",
        ),
        (
            b"text,label\n" + b"a" * (2 * BLOCK_BYTES + 9) + b",x\n",
            TABLE,
            {},
            "a row after row 1 is longer than 2,097,152 bytes",
        ),
    ],
    ids=["no such name", "two of a name", "no such number", "open quote", "long row"],
)
def test_table_that_does_not_match_the_entry_raises_with_its_name(
    content: bytes, columns: dict[str, str | int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RowError, match=message):
        read("csv", content, columns, **options)


@pytest.mark.parametrize("start", [b"text,label\n", b"text,label\na,x\n"])
def test_file_of_only_invalid_rows_is_not_read_to_its_end(start: bytes) -> None:
    message = "50 rows one after another cannot be read: 1 fields, expected 2"
    with patch("data.formats.delimited.MOST_WRONG", 50), pytest.raises(RowError, match=message):
        read("csv", start + b"b\n" * 1000, TABLE)


def test_valid_rows_are_returned_before_the_error() -> None:
    form = all_formats()["csv"]
    content = b"text,label\n" + b"a,x\n" * 100 + b"b" * (3 * BLOCK_BYTES)
    found = []
    with pytest.raises(RowError):
        found.extend(form.read([io.BytesIO(content)], TABLE, {**form.options, "kind": "csv"}))
    assert sum(table.num_rows for table in found) == 100


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\U0010ffff"), max_size=12)
ROWS = st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 9), st.integers(4, 40), st.booleans())
def test_rows_written_as_csv_are_read_back_equal_for_any_block_size(
    rows: list[tuple[str, str]], seed: int, size: int, is_bare: bool
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [("text", "label"), *rows]
    )
    with small_blocks(size):
        found = read(
            "csv", text.getvalue().encode().removesuffix(b"\n" * is_bare), TABLE, seed=seed
        )
    assert values(found, "text", "label") == rows
    assert values(found, "row") == list(range(2, len(rows) + 2))


PLAIN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters='"'),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(PLAIN, min_size=1, max_size=3), max_size=30), st.integers(120, 300))
def test_every_line_is_a_row_or_a_fault(lines: list[list[str]], size: int) -> None:
    content = "text\tlabel\n" + "".join("\t".join(fields) + "\n" for fields in lines)
    with patch("data.formats.delimited.BLOCK_BYTES", size):
        rows = sorted(read("tsv", content.encode(), TABLE), key=lambda row: row["row"])
    assert values(rows, "row") == list(range(2, len(lines) + 2))
    assert [(row["text"], row["label"]) if row["kind"] is None else row["raw"] for row in rows] == [
        tuple(fields) if len(fields) == 2 else "\t".join(fields) for fields in lines
    ]


class Counted(io.BytesIO):
    """A file that counts the bytes that were read."""

    num = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.num += len(found)
        return found


def test_file_is_not_read_far_ahead() -> None:
    size = 4096
    file = Counted(b"text,label\n" + b"lumo ta mi,x\n" * 100_000)
    options = {**all_formats()["csv"].options}
    with (
        small_blocks(size),
        patch.multiple("data.formats.delimited", BLOCK_BYTES=size, PATIENCE_SECONDS=60),
    ):
        tables = all_formats()["csv"].read([file], TABLE, options)
        next(tables)
        is_still = False
        before = -1
        while not is_still:  # reading ahead has stopped once nothing changes
            time.sleep(0.2)
            is_still = before == file.num
            before = file.num
        assert file.num <= 10 * size  # of 318; some are in Arrow, in the delayed table, and in ours
        tables.close()  # type: ignore[attr-defined]


def test_blocks_without_rows_do_not_end_the_reading() -> None:
    content = b"text,label\n" + b"lumo,x,more\n" * 3000 + b"sela,x\n"
    with (
        small_blocks(4096),
        patch.multiple("data.formats.delimited", BLOCK_BYTES=4096, PATIENCE_SECONDS=0.01),
    ):
        rows = read("csv", content, TABLE)
    assert len(rows) == 3001
    assert sum(row["kind"] == "fields" for row in rows) == 3000

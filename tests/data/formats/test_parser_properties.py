"""Written rows are read back equal for any block size; damage gives rows or a RowError."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RowError
from data.formats.base import all_formats
from data.formats.tags import SCHEMES
from tests.data.reading import read, small_blocks
from tests.data.tag_schemes import from_bio

Rows = list[tuple[Any, ...]]
Numbered = list[tuple[int, Any]]
# With these the formats mark what they found; a row that holds one is rejected.
MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\ufdd5\ufdd6\U0010fffe\U0010ffff"


@dataclass(frozen=True)
class Written:
    """A writer of rows: the files, and the position of each row in them."""

    kind: str
    roles: tuple[str, ...]
    rows: st.SearchStrategy[Rows]
    write: Callable[[Rows], Sequence[bytes]]
    numbers: Callable[[Rows], Sequence[int]]
    columns: dict[str, str | int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def text_of(excluded: str = "", *, min_size: int = 0) -> st.SearchStrategy[str]:
    odd = st.sampled_from(
        [sign for sign in "\",; \t\n'\\\u2028\u3000\x85\x00éж中😀" if sign not in excluded]
    )
    signs = st.characters(codec="utf-8", exclude_characters=excluded + MARKS)
    return st.text(odd | signs, min_size=min_size, max_size=10)


def pairs_of(side: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(side, side), min_size=1, max_size=12)


def from_one(rows: Rows) -> Sequence[int]:
    return range(1, len(rows) + 1)


def from_two(rows: Rows) -> Sequence[int]:
    return range(2, len(rows) + 2)


def as_csv(head: Rows, **options: Any) -> Callable[[Rows], list[bytes]]:
    def write(rows: Rows) -> list[bytes]:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", **options).writerows([*head, *rows])
        return [text.getvalue().encode()]

    return write


def as_jsonl(rows: Rows) -> list[bytes]:
    roles = ("text", "label") if isinstance(rows[0][0], str) else ("tokens", "tags")
    return [
        "\n".join(
            json.dumps(dict(zip(roles, row, strict=True)), ensure_ascii=False) for row in rows
        ).encode()
    ]


def as_conll(scheme: str, separator: str) -> Callable[[Rows], list[bytes]]:
    def write(rows: Rows) -> list[bytes]:
        sentences = [zip(tokens, from_bio(tags, scheme), strict=True) for tokens, tags in rows]
        return [
            "\n".join(
                "".join(f"{token}{separator}{tag}\n" for token, tag in lines) for lines in sentences
            ).encode()
        ]

    return write


def first_lines(rows: Rows) -> list[int]:
    return [1 + sum(len(tokens) + 1 for tokens, _ in rows[:index]) for index in range(len(rows))]


def as_lines(between: str) -> Callable[[Rows], list[bytes]]:
    return lambda rows: [between.join(text for (text,) in rows).encode()]


def after_texts(gap: int) -> Callable[[Rows], list[int]]:
    """Numbers of lines of texts with ``gap`` line ends between."""
    return lambda rows: [
        1 + sum(text.count("\n") + gap for (text,) in rows[:index]) for index in range(len(rows))
    ]


def as_columns(roles: tuple[str, ...], new: Callable[..., Any]) -> Callable[[Rows], list[bytes]]:
    def write(rows: Rows) -> list[bytes]:
        table = pa.table(dict(zip(roles, map(list, zip(*rows, strict=True)), strict=True)))
        file = io.BytesIO()
        with new(file, table.schema) as writer:
            for start in range(0, table.num_rows, 3):
                writer.write_table(table.slice(start, 3))
        return [file.getvalue()]

    return write


def tagged(rows: list[list[tuple[str, str]]]) -> Rows:
    """Sentences whose ``I`` tags continue a span where there is one."""
    found: Rows = []
    for row in rows:
        tags: list[str] = []
        for _, tag in row:
            before = tags[-1] if tags else "O"
            tags.append(tag if tag != "I" else "O" if before == "O" else f"I-{before[2:]}")
        found.append(([token for token, _ in row], tags))
    return found


TOKEN = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
TAGGED = st.lists(
    st.lists(st.tuples(TOKEN, st.sampled_from(["O", "B-a", "B-b-c", "I"])), min_size=1, max_size=5),
    min_size=1,
    max_size=8,
).map(tagged)
LINE = text_of("\n\r", min_size=1).filter(str.strip)
TEXT_LABEL = ("text", "label")
SIDES = ("source", "target")
TOKENS = ("tokens", "tags")
NAMED: dict[str, str | int] = {"text": "text", "label": "label"}
NUMBERED: dict[str, str | int] = {"source": 0, "target": 1}
NAMED_TOKENS: dict[str, str | int] = {"tokens": "tokens", "tags": "tags"}
PLACES: dict[str, str | int] = {"tokens": 0, "tags": 1}
TUNES = st.lists(
    st.lists(LINE.filter(lambda line: not line.startswith("X:")), max_size=3),
    min_size=1,
    max_size=6,
).map(lambda tunes: [("\n".join([f"X:{number}", *lines]),) for number, lines in enumerate(tunes)])
ONE_TEXT = (
    text_of("\r")
    .filter(lambda text: bool(text.strip()) and not text.endswith("\n"))
    .map(lambda text: [(text,)])
)
WAYS = {
    "csv": Written(
        "csv", TEXT_LABEL, pairs_of(text_of("\r")), as_csv([TEXT_LABEL]), from_two, NAMED
    ),
    "csv, all in quotes": Written(
        "csv",
        TEXT_LABEL,
        pairs_of(text_of("\r")),
        as_csv([TEXT_LABEL], quoting=csv.QUOTE_ALL),
        from_two,
        NAMED,
    ),
    "csv, semicolons, no header": Written(
        "csv",
        SIDES,
        pairs_of(text_of("\r")),
        as_csv([], delimiter=";"),
        from_one,
        NUMBERED,
        {"separator": ";", "header": False},
    ),
    "tsv": Written(
        "tsv",
        SIDES,
        pairs_of(text_of("\r")),
        as_csv([], delimiter="\t"),
        from_one,
        NUMBERED,
        {"header": False},
    ),
    "tsv, no quotes": Written(
        "tsv",
        SIDES,
        pairs_of(text_of("\t\n\r")),
        lambda rows: ["".join(f"{a}\t{b}\n" for a, b in rows).encode()],
        from_one,
        NUMBERED,
        {"header": False, "quote": False},
    ),
    "jsonl": Written("jsonl", TEXT_LABEL, pairs_of(text_of()), as_jsonl, from_one, NAMED),
    "jsonl, tokens": Written("jsonl", TOKENS, TAGGED, as_jsonl, from_one, NAMED_TOKENS),
    **{
        f"conll, {scheme}": Written(
            "conll",
            TOKENS,
            TAGGED,
            as_conll(scheme, separator),
            first_lines,
            PLACES,
            {"scheme": scheme, "separator": separator, "marks": ""},
        )
        for scheme, separator in zip(SCHEMES, [" ", "\t", "whitespace", " "], strict=True)
        if separator != "whitespace"
    },
    "conll, BMES": Written(
        "conll",
        TOKENS,
        TAGGED,
        as_conll("BMES", " \t "),
        first_lines,
        PLACES,
        {"scheme": "BMES", "separator": "whitespace", "marks": ""},
    ),
    "labelled": Written(
        "labelled",
        TEXT_LABEL,
        pairs_of(text_of("\t\n\r", min_size=1).filter(str.strip)),
        lambda rows: ["".join(f"{label}\t{text}\n" for text, label in rows).encode()],
        from_one,
        options={"separator": "\t"},
    ),
    "parallel": Written(
        "parallel",
        SIDES,
        pairs_of(LINE),
        lambda rows: ["\n".join(side).encode() for side in zip(*rows, strict=True)],
        from_one,
    ),
    "text, lines": Written(
        "text",
        ("text",),
        st.lists(LINE.map(lambda line: (line,)), min_size=1),
        as_lines("\n"),
        from_one,
    ),
    "text, paragraphs": Written(
        "text",
        ("text",),
        st.lists(
            st.lists(LINE, min_size=1, max_size=3).map(lambda lines: ("\n".join(lines),)),
            min_size=1,
        ),
        as_lines("\n\n\n"),
        after_texts(3),
        options={"unit": "paragraph"},
    ),
    "text, files": Written(
        "text", ("text",), ONE_TEXT, as_lines(""), from_one, options={"unit": "file"}
    ),
    "abc": Written("abc", ("text",), TUNES, as_lines("\n\n"), after_texts(2), {"text": "tune"}),
    "parquet": Written(
        "parquet",
        TEXT_LABEL,
        pairs_of(text_of()),
        as_columns(TEXT_LABEL, pq.ParquetWriter),
        from_one,
        NAMED,
    ),
    "parquet, tokens": Written(
        "parquet", TOKENS, TAGGED, as_columns(TOKENS, pq.ParquetWriter), from_one, NAMED_TOKENS
    ),
    "arrow file": Written(
        "arrow",
        TEXT_LABEL,
        pairs_of(text_of()),
        as_columns(TEXT_LABEL, pa.ipc.new_file),
        from_one,
        NAMED,
    ),
    "arrow stream": Written(
        "arrow", TOKENS, TAGGED, as_columns(TOKENS, pa.ipc.new_stream), from_one, NAMED_TOKENS
    ),
}


def test_every_format_has_a_writer_here() -> None:
    assert {way.kind for way in WAYS.values()} == set(all_formats())
    assert {way.options["scheme"] for way in WAYS.values() if way.kind == "conll"} == set(SCHEMES)


@contextmanager
def tiny_blocks(size: int, files: Sequence[bytes]) -> Iterator[None]:
    """Make all blocks small; a block of a table must fit its longest row."""
    longest = max(map(len, files)) + 32
    with (
        small_blocks(size),
        patch("data.formats.delimited.BLOCK_BYTES", min(longest, size + 150)),
        patch("data.formats.tables.BLOCK_BYTES", size),
        patch("data.formats.tables.MOST_ROWS", size % 5 + 1),
        patch("data.formats.tables.COPY_BYTES", size),
    ):
        yield


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), size=st.integers(4, 40), seed=st.none() | st.integers(0, 9))
def test_rows_and_numbers_are_read_back_equal_for_any_block_size(
    name: str, data: st.DataObject, size: int, seed: int | None
) -> None:
    way = WAYS[name]
    rows = data.draw(way.rows)
    files = way.write(rows)
    with tiny_blocks(size, files):
        found = read(way.kind, files, way.columns, seed=seed, **way.options)
    assert [row["kind"] for row in found] == [None] * len(rows)
    assert [tuple(row[role] for role in way.roles) for row in found] == rows
    assert [row["row"] for row in found] == list(way.numbers(rows))


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["cut", "put", "end"]),
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    """Delete bytes, insert some, or truncate a file."""
    for share, how, added in changes:
        at = int(share * len(content))
        content = content[:at] + (
            b""
            if how == "end"
            else added + content[at:]
            if how == "put"
            else content[at + len(added) :]
        )
    return content


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=30, deadline=None)
@given(
    data=st.data(), changes=CHANGES, size=st.integers(4, 40), seed=st.none() | st.integers(0, 9),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16-le", "gb18030", "detect"]),
)  # fmt: skip
def test_damaged_file_gives_rows_or_raises_row_error(
    name: str,
    data: st.DataObject,
    changes: list[tuple[float, str, bytes]],
    size: int,
    seed: int | None,
    encoding: str,
) -> None:
    way = WAYS[name]
    files = [damaged(content, changes) for content in way.write(data.draw(way.rows))]
    options = way.options | (
        {"encoding": encoding} if "encoding" in all_formats()[way.kind].options else {}
    )
    with tiny_blocks(size, [b"0" * 400]), suppress(RowError):
        numbers = [row["row"] for row in read(way.kind, files, way.columns, seed=seed, **options)]
        assert len(set(numbers)) == len(numbers)
        assert all(number > 0 for number in numbers)

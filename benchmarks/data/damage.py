"""Kinds of damage to files of rows, each with the reason that its rejection must give."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from data.rows.check_settings import DEFAULTS

Row = tuple[Any, ...]  # its sides: text and label, tokens and tags, source and target
Written = list[bytes]  # one for each file that a row stands in
BROKEN_BYTE = "\udce9"  # written as the byte E9: a letter of Latin-1, and no UTF-8


@dataclass(frozen=True)
class Layout:
    """How rows stand in files: of which format, under which header, and how one is written."""

    format: Mapping[str, Any]
    columns: Mapping[str, str | int]
    write: Callable[[Row], Written]
    head: bytes = b""
    first_row: int = 1


@dataclass(frozen=True)
class Damage:
    """One kind of damage: what it is called, the reason expected, and how a row looks with it.

    ``make`` gets the layout, the row, and an earlier row that is whole.
    """

    name: str
    kind: str
    make: Callable[[Layout, Row, Row], Written]
    is_last: bool = False  # for the last row alone: what follows would fall into it


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def csv_row(row: Row) -> Written:
    """A row of CSV, quoted where it must be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return [_bytes(text.getvalue())]


def tab_row(row: Row) -> Written:
    """A row with tabs between its fields."""
    return [_bytes("\t".join(row) + "\n")]


def parallel_row(row: Row) -> Written:
    """A line in each of two files."""
    return [_bytes(f"{side}\n") for side in row]


def conll_row(row: Row) -> Written:
    """A sentence, one token a line; where the tag is None the line ends before it."""
    lines = [token if tag is None else f"{token}\t{tag}" for token, tag in zip(*row, strict=True)]
    return [_bytes("\n".join([*lines, "", ""]))]


def json_row(row: Row) -> Written:
    """A line of JSON; a side that is None has no key."""
    named = {
        name: side for name, side in zip(("text", "label"), row, strict=True) if side is not None
    }
    line = json.dumps(named, ensure_ascii=False).encode(errors="surrogateescape")
    return [line + b"\n"]


LAYOUTS = {
    "csv": Layout({"kind": "csv"}, {"text": "text", "label": "label"}, csv_row, b"text,label\n", 2),
    "jsonl": Layout({"kind": "jsonl"}, {"text": "text", "label": "label"}, json_row),
    "conll": Layout({"kind": "conll", "separator": "\t"}, {"tokens": 0, "tags": 1}, conll_row),
    "tsv": Layout(
        {"kind": "tsv", "header": False, "quote": False}, {"source": 0, "target": 1}, tab_row
    ),
    "parallel": Layout({"kind": "parallel"}, {}, parallel_row),
}


def _as(name: str, kind: str, change: Callable[[Row, Row], Row]) -> Damage:
    """Damage of a row's sides."""
    return Damage(name, kind, lambda layout, row, earlier: layout.write(change(row, earlier)))


def _inside(text: str, added: str) -> str:
    half = len(text) // 2
    return text[:half] + added + text[half:]


def _inside_text(added: str, row: Row, _: Row) -> Row:
    return _inside(row[0], added), row[1]


def _inside_first_token(added: str, row: Row, _: Row) -> Row:
    return [_inside(row[0][0], added), *row[0][1:]], row[1]


def _to_length(text: str, length: int) -> str:
    return (text * length)[:length]


def _spaced(text: str) -> str:
    """Make a copy that differs in spaces and, in ASCII, in capitals."""
    return f" {text.upper() if text.isascii() else text}  ".replace(" ", "  ")


def _put_first(row: Row, *added: tuple[str, str | None]) -> Row:
    tokens, tags = zip(*added, strict=True)
    return [*tokens, *row[0]], [*tags, *row[1]]


def _put_last(row: Row, token: str, tag: str) -> Row:
    return [*row[0], token], [*row[1], tag]


def _other_tags(row: Row) -> Row:
    tokens, tags = row
    return tokens, ["O"] * len(tags) if set(tags) != {"O"} else [*tags[:-1], "B-LOC"]


LONG = {shape: rules.max_length + 1 for shape, rules in DEFAULTS.items()}
INTO_TEXT = {
    "bytes of another encoding": ("not_utf8", BROKEN_BYTE),
    "a control character": ("control_characters", "\x07"),
    "a NUL byte": ("control_characters", "\x00"),
    "a control character of C1": ("control_characters", "\x85"),  # what a wrong encoding leaves
}
# Of these, JSON writes only what a text may hold: the control characters as escapes, bytes of
# another encoding not at all.
TEXTS = [_as(name, kind, partial(_inside_text, sign)) for name, (kind, sign) in INTO_TEXT.items()]
REVIEWS = [
    *TEXTS,
    _as("no text", "no_text", lambda row, _: ("", row[1])),
    _as("only spaces", "no_text", lambda row, _: (" \u3000 ", row[1])),
    _as("no label", "no_text", lambda row, _: (row[0], "")),
    _as("an unknown label", "unknown_label", lambda row, _: (row[0], "maybe")),
    _as("the same row again", "duplicate", lambda _, earlier: earlier),
    _as(
        "the same row, other spacing",
        "duplicate",
        lambda _, earlier: (_spaced(earlier[0]), earlier[1]),
    ),
    _as(
        "the same text, another label",
        "conflict",
        lambda row, earlier: (earlier[0], "1" if earlier[1] == "0" else "0"),
    ),
    _as(
        "a text without end",
        "too_long",
        lambda row, _: (_to_length(row[0], LONG["text", "label"]), row[1]),
    ),
]
FIELDS = [
    _as("a field too few", "fields", lambda row, _: row[:1]),
    _as("a field too many", "fields", lambda row, _: (*row, "more")),
]
QUOTE = Damage(
    "a quote that is never closed",
    "fields",
    lambda layout, row, _: [b'"' + layout.write(row)[0]],
    is_last=True,
)
JSON = [
    Damage(
        "a line cut short", "not_json", lambda layout, row, _: [layout.write(row)[0][:-3] + b"\n"]
    ),
    Damage("no JSON", "not_json", lambda layout, row, _: [b"lumo " + layout.write(row)[0]]),
    _as("a list for a text", "wrong_type", lambda row, _: ([row[0]], row[1])),
    _as("a number for a text", "wrong_type", lambda row, _: (7, row[1])),
    _as("a key that is missing", "no_text", lambda row, _: (None, row[1])),
]
PAIRS = [
    *TEXTS,
    _as("no source", "one_side", lambda row, _: ("", row[1])),
    _as("no target", "one_side", lambda row, _: (row[0], "")),
    _as("only spaces", "one_side", lambda row, _: (row[0], " \u3000")),
    _as(
        "one side much longer", "length_ratio", lambda row, _: (row[0][:8], _to_length(row[1], 400))
    ),
    _as("the source copied", "source_equals_target", lambda row, _: (row[0], row[0])),
    _as("the same row again", "duplicate", lambda _, earlier: earlier),
    _as(
        "the same row, other spacing",
        "duplicate",
        lambda _, earlier: (_spaced(earlier[0]), earlier[1]),
    ),
    _as(
        "a text without end",
        "too_long",
        lambda row, _: tuple(_to_length(side, LONG["source", "target"]) for side in row),
    ),
]
TAGGED = [
    *(
        _as(name, kind, partial(_inside_first_token, sign))
        for name, (kind, sign) in INTO_TEXT.items()
    ),
    _as("a token without tag", "lengths_differ", lambda row, _: _put_first(row, ("zorp", None))),
    _as(
        "I- after O", "tag_scheme", lambda row, _: _put_first(row, ("zorp", "O"), ("zorp", "I-LOC"))
    ),
    _as(
        "I- after another kind",
        "tag_scheme",
        lambda row, _: _put_first(row, ("zorp", "B-LOC"), ("zorp", "I-ORG")),
    ),
    _as("a tag of another scheme", "tag_scheme", lambda row, _: _put_last(row, "zorp", "S-LOC")),
    _as("a tag in small letters", "tag_scheme", lambda row, _: _put_last(row, "zorp", "b-loc")),
    _as(
        "an unknown kind of entity",
        "unknown_entity",
        lambda row, _: _put_last(row, "zorp", "B-ZORP"),
    ),
    _as("an empty token", "bad_token", lambda row, _: _put_last(row, "", "O")),
    _as(
        "a space inside a token", "bad_token", lambda row, _: _put_last(row, "zorp\u00a0zorp", "O")
    ),
    _as("the same row again", "duplicate", lambda _, earlier: earlier),
    _as("the same tokens, other tags", "conflict", lambda _, earlier: _other_tags(earlier)),
    _as(
        "a sentence without end",
        "too_long",
        lambda row, _: (
            row[0] * LONG["tokens", "tags"],
            ["O"] * len(row[0]) * LONG["tokens", "tags"],
        ),
    ),
]
DAMAGES = {
    "csv": [*REVIEWS, *FIELDS, QUOTE],
    "jsonl": [*REVIEWS, *JSON],
    "conll": TAGGED,
    "tsv": [*PAIRS, *FIELDS],
    "parallel": PAIRS,
}

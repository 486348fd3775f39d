"""Rows of files that a model cannot answer, each with its reason."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.formats.base import KIND, RAW, REASON, ROW
from tasks.serving.input_texts import MAX_CHARACTERS, text_fault, tokens_fault

KEEP = "keep:"  # marks a column that is copied while rows are read
TEXT = pa.string()


def split_rejected(
    table: pa.Table, *, may_be_empty: bool, max_characters: int = MAX_CHARACTERS
) -> tuple[pa.Table, pa.Table]:
    """Separate rows that can be answered from those that cannot.

    The latter are those that their format could not read, and those without a
    text that a model reads.
    """
    is_read = pc.is_null(table[KIND])
    wrong = table.filter(pc.invert(is_read)).select([ROW, KIND, REASON, RAW, *_kept(table)])
    table = table.filter(is_read)
    columns = [
        table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
        for name in ("text", "tokens")
    ]
    limits: dict[str, Any] = {"may_be_empty": may_be_empty, "max_characters": max_characters}
    faults = [_fault(text, tokens, limits) for text, tokens in zip(*columns, strict=True)]
    found = [
        rejected_row(table.slice(index, 1), *fault) for index, fault in enumerate(faults) if fault
    ]
    rejected = pa.concat_tables([_named(wrong), *found], promote_options="default")
    return table.filter(pa.array([fault is None for fault in faults], pa.bool_())), rejected


def _fault(
    text: str | None, tokens: list[str] | None, limits: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Give the reason why a row is not read, by the rules of every route; tokens come first."""
    if tokens is not None:
        return tokens_fault(tokens, max_characters=limits["max_characters"])
    return ("no_text", "there is no text") if text is None else text_fault(text, **limits)


def _kept(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name.startswith(KEEP)]


def _named(table: pa.Table) -> pa.Table:
    """Give the kept columns their own names."""
    return table.rename_columns([name.removeprefix(KEEP) for name in table.column_names])


def rejected_row(row: pa.Table, kind: str, reason: str) -> pa.Table:
    """Make the table of one rejected row, with its reason and its content."""
    kept = _kept(row)
    raw = row.drop_columns([ROW, KIND, REASON, RAW, *kept]).to_pylist()[0]
    texts = {KIND: kind, REASON: reason, RAW: json.dumps(raw, ensure_ascii=False)}
    columns = {ROW: row[ROW], **{name: pa.array([value], TEXT) for name, value in texts.items()}}
    return _named(pa.table(columns | {name: row[name] for name in kept}))

"""Lines that begin with a label: ``1 a fine film``, or as fastText ``__label__pos a film``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.formats.base import Columns, Fault, FormatKind, as_table
from data.formats.lines import as_lines, is_blank, line_blocks, mask


def read_labelled(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read lines, numbered from 1, without blank ones.

    A line without text, without the prefix, or with a second label is a fault,
    ``fields``.

    Args:
        streams: One.
        columns: Not read: the roles are ``text`` and ``label``.
        options: ``separator``, the character after the label; ``prefix``,
            which is removed from each label; ``encoding``.
    """
    first = 1
    for block in line_blocks(streams[0], options["encoding"]):
        lines = as_lines(block)
        is_text = ~is_blank(lines)
        if is_text.any():
            yield _table(
                lines.filter(pa.array(is_text)),
                np.flatnonzero(is_text) + first,
                options["separator"],
                options["prefix"],
            )
        first += len(lines)


def _table(lines: pa.Array, rows: Any, separator: str, prefix: str) -> pa.Table:
    cut = pc.split_pattern(lines, separator, max_splits=1)
    pairs = pc.if_else(_has_two(cut), cut, pa.scalar(["", ""]))
    label = pc.list_element(pairs, 0)
    text = pc.list_element(pairs, 1)
    wrong = {f"no text behind the label and a {separator!r}": ~mask(_has_two(cut))}
    if prefix:
        wrong[f"does not begin with {prefix!r}"] = ~mask(pc.starts_with(lines, prefix))
        wrong["has several labels, expected one"] = mask(pc.starts_with(text, prefix))
        label = pc.utf8_slice_codeunits(label, len(prefix))
    faults: dict[int, Fault] = {}
    for reason, is_wrong in wrong.items():
        for index in np.flatnonzero(is_wrong).tolist():
            faults.setdefault(index, Fault("fields", reason, lines[index].as_py()))
    return as_table({"text": text, "label": label}, rows, dict(sorted(faults.items())))


def _has_two(cut: pa.Array) -> pa.Array:
    return pc.equal(pc.list_value_length(cut), 2)


FORMATS = {
    "labelled": FormatKind(
        read_labelled,
        {"separator": " ", "prefix": "", "encoding": "utf-8"},
        {},
        columns="none",
        shapes=(("text", "label"),),
    )
}

"""The ``columns`` of a catalog entry: which column holds each role, checked."""

from collections.abc import Mapping
from typing import Any

from data.catalog.yaml_entries import Entry
from data.errors import RowError
from data.formats.base import FormatKind, all_formats
from data.rows.check_settings import SHAPES
from data.sources.base import Source

KEY = "key"  # role of the column that identifies a row


def read_columns(
    entry: Entry, source: Source, format_options: Mapping[str, Any] | None
) -> dict[str, str | int]:
    """Read the column of each role.

    Args:
        entry: The part ``columns`` of a catalog entry.
        source: Of the dataset.
        format_options: Kind and options of its format; None where the source gives tables.

    Raises:
        RowError: If the roles are no shape of rows, or a column is named in the wrong way.
    """
    kind = all_formats()[format_options["kind"]] if format_options else None
    kind_name = format_options["kind"] if format_options else ""
    if kind and kind.columns == "none":
        return _fixed_columns(entry, kind, kind_name)
    shapes = kind.shapes if kind else SHAPES
    if set(entry.content) - {KEY} not in [set(shape) for shape in shapes]:
        expected = " or ".join(" and ".join(shape) for shape in shapes)
        of_kind = f" of a {kind_name} file" if kind_name else ""
        found = ", ".join(map(str, entry.content)) or "none"
        raise RowError(f"{entry.where}: expected {expected}{of_kind}, got {found}")
    has_header = bool(format_options and format_options.get("header"))
    for role, column in entry.content.items():
        _check_column(entry, role, column, kind, has_header=has_header)
    key = getattr(source, KEY, "")
    if key and KEY in entry.content:
        raise RowError(f"{entry.where}: key stands in the source already")
    return {**entry.content, **({KEY: key} if key else {})}


def _fixed_columns(entry: Entry, kind: FormatKind, kind_name: str) -> dict[str, str | int]:
    """Take the columns that the format fixes; only a label from the path may be added."""
    fixed: dict[str, str | int] = {role: index for index, role in enumerate(kind.shapes[0])}
    is_shape = {*fixed, *entry.content} in [set(shape) for shape in SHAPES]
    if entry.content and (set(fixed) & set(entry.content) or not is_shape):
        raise RowError(
            f"{entry.where}: a {kind_name} file has no columns to be named: leave this key out, "
            "but for a label that stands in the path, as the folder stars=pos"
        )
    return fixed | {role: entry.text(role, is_needed=True) for role in entry.content}


def _check_column(
    entry: Entry, role: str, column: Any, kind: FormatKind | None, *, has_header: bool
) -> None:
    way = kind.columns if kind else "names"
    is_name = isinstance(column, str) and (way == "names" or (way == "header" and has_header))
    is_number = type(column) is int and way != "names" and (column >= 0 or way == "numbers")
    if is_name or is_number:
        return
    expected = "a name" if way == "names" else "a number from 0"
    if way == "header" and has_header:
        expected = "a name of the header, or a number from 0"
    raise RowError(f"{entry.where}: {role} must be {expected}, got {column!r}")

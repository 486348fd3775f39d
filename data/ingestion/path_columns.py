"""Columns in the path of a file, ``stars=neg/part-0.parquet``, as Spark and Hive write them."""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import RowError
from data.formats.base import KIND, TEXT, Columns, FormatKind, NoColumnError

NOTHING = "__HIVE_DEFAULT_PARTITION__"  # stands for null
Values = Mapping[str, str | None]
Rows = Callable[[Columns], Iterator[pa.Table]]


def path_values(name: str) -> dict[str, str | None]:
    """Read the columns in the folders of a path, with their values."""
    path = name.partition("?")[0] if "://" in name else name
    folders = [folder for part in path.split("!") for folder in part.split("/")[:-1]]
    pairs = [folder.partition("=") for folder in folders]
    return {
        unquote(key): None if value == NOTHING else unquote(value)
        for key, sign, value in pairs
        if key and sign
    }


def read_with_path(
    rows: Rows, columns: Columns, name: str, kind: FormatKind, *, has_header: bool
) -> Iterator[pa.Table]:
    """Read rows, and take the columns that the file lacks from its path.

    Args:
        rows: Reads some columns of the file.
        columns: Role to a column of the file or of its path.
        name: The path.
        kind: Of the file.
        has_header: Whether the first row names the columns.

    Raises:
        RowError: If a column is in neither.
    """
    values = path_values(name)
    can_name = kind.columns == "names" or (kind.columns == "header" and has_header)
    in_path: dict[str, str | None] = {}
    for role, column in columns.items() if not can_name else ():
        if isinstance(column, str):
            in_path[role] = _value(values, column)
    while True:
        wanted = {role: column for role, column in columns.items() if role not in in_path}
        is_started = False
        try:
            for table in rows(wanted):
                is_started = True
                extra = values if kind.has_open_keys else {}
                yield _filled(_with_values(table, in_path), columns, extra)
            return
        except NoColumnError as error:
            missing = [role for role, column in wanted.items() if column == error.name]
            if is_started or error.name not in values or not missing or len(missing) == len(wanted):
                raise
            in_path |= dict.fromkeys(missing, values[str(error.name)])


def _value(values: Values, column: str) -> str | None:
    if column not in values:
        raise RowError(
            f"its path has no folder {column}=VALUE, and the file names no columns: "
            "give the number of a column, from 0"
        )
    return values[column]


def _with_values(table: pa.Table, in_path: Values) -> pa.Table:
    for index, (role, value) in enumerate(in_path.items()):
        column = pc.if_else(pc.is_null(table[KIND]), pa.scalar(value, TEXT), pa.scalar(None, TEXT))
        table = table.add_column(index, role, column)
    return table


def _filled(table: pa.Table, columns: Columns, in_path: Values) -> pa.Table:
    """Fill columns without any value from the path, where a missing column is no error."""
    for role, column in columns.items():
        is_empty = table[role].null_count == table.num_rows
        if column in in_path and table[role].type == TEXT and is_empty:
            values = _with_values(table.select([KIND]), {role: in_path[str(column)]})[role]
            table = table.set_column(table.column_names.index(role), role, values)
    return table

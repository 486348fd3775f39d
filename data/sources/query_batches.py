"""Results of a query as Arrow tables, batch by batch, and their digest."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import types

from data.rows.arrow_text import hashes
from data.rows.splits import CONTENT_KEY
from data.sources.watermarks import as_text

BATCH_ROWS = 10_000


def batches(
    connection: sa.Connection, query: sa.Select[Any], names: list[str]
) -> Iterator[pa.Table]:
    """Run a query and read its rows with a cursor that the server keeps."""
    with connection.execute(query, execution_options={"yield_per": BATCH_ROWS}) as result:
        for batch in result.partitions():
            yield pa.table([_array(values) for values in zip(*batch, strict=True)], names=names)


def _array(values: Sequence[Any]) -> pa.Array:
    """Turn a column of the driver's values into an array; types that Arrow lacks become text."""
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError):  # mixed types, or numbers beyond 64 bits
        return _texts(values)
    if types.is_timestamp(array.type):
        in_utc = array.cast(pa.timestamp("us", array.type.tz and "UTC")).cast(pa.string())
        return pc.binary_replace_slice(in_utc, 10, 11, "T")
    is_number = types.is_integer(array.type) or types.is_floating(array.type)
    is_plain = is_number or types.is_boolean(array.type) or types.is_nested(array.type)
    is_plain = is_plain or array.type in (pa.string(), pa.binary(), pa.null())
    return array if is_plain else _texts(values)


def _texts(values: Sequence[Any]) -> pa.Array:
    return pa.array([as_text(value) for value in values], pa.string())


def digest_of(stamps: Iterable[pa.Table]) -> str:
    """Write the number of rows and the sum of their hashes.

    The order of the rows does not matter, and memory stays constant.
    """
    num_rows = total = 0
    for table in stamps:
        pairs = pc.binary_join_element_wise(*table.columns, "\x1f")
        num_rows += table.num_rows
        total += int(hashes(pairs, CONTENT_KEY).sum())
    return f"{num_rows}-{total % 2**64:016x}"

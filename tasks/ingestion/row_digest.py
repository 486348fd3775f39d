"""A digest of rows: of the bytes and lengths of each column, whatever the size of the batches."""

import hashlib
from collections import defaultdict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.rows.arrow_text import flat_bytes
from tasks.store.code import digest


class RowDigest:
    """Digests the rows of tables that come one after another."""

    def __init__(self) -> None:
        self.parts = defaultdict[tuple[str, str], "hashlib._Hash"](hashlib.sha256)

    def add(self, table: pa.Table) -> None:
        """Add the rows of a table."""
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pa.types.is_list(column.type):
                self.parts[name, "tokens"].update(_lengths(column).data)
                column = pa.chunked_array([column.combine_chunks().flatten()])
            if not pa.types.is_string(column.type):
                column = column.cast(pa.string())
            self.parts[name, "bytes"].update(flat_bytes(column).data)
            self.parts[name, "lengths"].update(_lengths(column).data)

    @property
    def value(self) -> str:
        """The digest of all rows so far."""
        return digest([part.hexdigest() for part in self.parts.values()])


def _lengths(column: pa.ChunkedArray) -> NDArray[np.int32]:
    array = column.combine_chunks()
    counted = (
        array.value_lengths() if pa.types.is_list(array.type) else pa.compute.binary_length(array)
    )
    return np.asarray(counted.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)

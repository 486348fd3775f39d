"""Words, characters and labels of rows as ids, without Python per word.

N rows; the ids of all rows lie end to end, and ``offsets`` (N + 1,) are their starts.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.rows.arrow_text import row_starts
from data.text.scripts import count_scripts


@dataclass(frozen=True)
class RowCodes:
    """Ids of the parts of rows, and the names of the ids; a character's id is its code point."""

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    names: pa.Array

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of ids of each row, (N,)."""
        return np.diff(self.offsets)

    def is_in(self, known: pa.Array) -> NDArray[np.bool_]:
        """Mark each id whose name is among some names."""
        return np.asarray(
            pc.is_in(self.names, known).to_numpy(zero_copy_only=False)[self.ids], dtype=bool
        )


def word_codes(column: pa.ChunkedArray) -> RowCodes:
    """Number the words of a column; characters where spaces separate no words."""
    if pa.types.is_list(column.type):
        return _coded(column.combine_chunks())
    if count_scripts([column]).is_unspaced:
        return character_codes(column)
    return _coded(pc.utf8_split_whitespace(pc.utf8_lower(column)).combine_chunks())


def label_codes(column: pa.ChunkedArray) -> RowCodes:
    """Number labels, or the kinds of the entities that a row of tags has."""
    if not pa.types.is_list(column.type):
        rows = column.combine_chunks()
        return _coded(pa.ListArray.from_arrays(pa.array(range(len(rows) + 1), pa.int32()), rows))
    tags = column.combine_chunks()
    flat = tags.flatten()
    is_begin = pc.starts_with(flat, "B-")
    before = np.append(0, np.cumsum(is_begin.to_numpy(zero_copy_only=False)))
    starts = pa.array(before[row_starts(tags)].astype(np.int32))
    kinds = pc.utf8_slice_codeunits(flat.filter(is_begin), 2)
    return _coded(pa.ListArray.from_arrays(starts, kinds))


def character_codes(column: pa.ChunkedArray) -> RowCodes:
    """Give the code points of texts, or of the tokens of lists."""
    if pa.types.is_list(column.type):
        column = pa.chunked_array([pc.binary_join(column.combine_chunks(), "")])
    rows = column.combine_chunks()
    joined = "".join(rows.to_pylist()).encode("utf-32-le", "surrogatepass")
    points, ids = np.unique(np.frombuffer(joined, dtype="<u4"), return_inverse=True)
    offsets = np.append(0, np.cumsum(pc.utf8_length(rows).to_numpy(zero_copy_only=False)))
    return RowCodes(
        ids.astype(np.int64), offsets.astype(np.int64), pa.array([chr(point) for point in points])
    )


def _coded(rows: pa.ListArray) -> RowCodes:
    flat = pc.fill_null(rows.flatten(), "")
    coded = flat.dictionary_encode()
    ids = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return RowCodes(ids, row_starts(rows), coded.dictionary)

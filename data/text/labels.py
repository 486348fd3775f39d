"""Labels and tags as ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import RowError


@dataclass(frozen=True)
class Labels:
    """The names of a label set, in the order of their ids."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Labels":
        """Collect the names in some columns; ``O`` first, the others sorted.

        Raises:
            RowError: If there are fewer than two.
        """
        found: set[str] = set()
        for column in columns:
            flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
            found.update(pc.unique(flat).to_pylist())
        names = sorted(found, key=lambda name: (name != "O", name))
        if len(names) < 2:
            raise RowError(
                f"the training split has {len(names)} label ({', '.join(names)}), "
                "expected at least two"
            )
        return cls(tuple(names))

    def encode(self, column: pa.ChunkedArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Encode a column of names or of lists of names: ids, and the offsets of the rows.

        An unknown name becomes -1.
        """
        rows = column.combine_chunks()
        is_list = pa.types.is_list(rows.type)
        flat = rows.flatten() if is_list else rows
        ids = pc.fill_null(pc.index_in(flat, pa.array(self.names)), -1).to_numpy(
            zero_copy_only=False
        )
        lengths = pc.list_value_length(rows).to_numpy() if is_list else np.ones(len(rows), np.int64)
        return ids.astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Return the names of some ids."""
        return [self.names[i] for i in ids]

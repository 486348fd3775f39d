"""Faults of rows: the first of each row, its kind and its reason."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Reason = Callable[[int], str] | str  # of a row, by its index in the table


class Faults:
    """The first fault of each row of a table."""

    def __init__(self, table: pa.Table) -> None:
        """Begin with the faults that the format found."""
        self.is_fine: Mask = pc.is_null(table["kind"]).to_numpy()
        self.found: dict[int, tuple[str, str]] = {}  # row to kind and reason

    def add(self, mask: Mask, kind: str, reason: Reason) -> None:
        """Reject the rows of a mask that have no fault yet."""
        for i in np.flatnonzero(mask & self.is_fine).tolist():
            self.found[i] = (kind, reason if isinstance(reason, str) else reason(i))
        self.is_fine &= ~mask

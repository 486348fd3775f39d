"""Numbers as targets, standardized by the mean and the deviation of the training rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.arrays import Encoded
from data.errors import RowError

NUMBERS = ("score",)  # roles whose texts are numbers


@dataclass(frozen=True)
class Numbers:
    """The mean and the standard deviation of the training numbers."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Numbers":
        """Measure the numbers of some columns.

        Raises:
            RowError: If they are all the same, so that nothing can be learnt from them.
        """
        values = np.concatenate([_floats(column) for column in columns])
        deviation = float(values.std())
        if not deviation > 0:
            raise RowError(
                "the training split has one score only "
                f"({values[0]:g}), expected at least two different numbers"
            )
        return cls(float(values.mean()), deviation)

    def encode(self, column: pa.ChunkedArray) -> Encoded:
        """Standardize a column of numbers.

        Returns:
            Float32 values, one for each row, and where each starts.
        """
        # In float64, or large numbers that are close to one another would become equal.
        values = (_floats(column) - self.mean) / self.deviation
        return values.astype(np.float32), np.arange(len(values) + 1, dtype=np.int64)

    def decode(self, values: Sequence[float]) -> list[float]:
        """Undo the standardization."""
        return [value * self.deviation + self.mean for value in values]

    def saved(self) -> dict[str, Any]:
        """Give the fields as JSON takes them."""
        return {"mean": self.mean, "deviation": self.deviation}


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)

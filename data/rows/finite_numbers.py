"""Numbers in rows: which texts are finite numbers, and how each is written."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def read_numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """Write numbers in one way, so that ``3.50`` and ``3.5`` are the same.

    Returns:
        The column, null where a text is no finite number, and a mask of such texts.
    """
    text = pc.utf8_trim_whitespace(column)
    is_number = pc.fill_null(pc.match_substring_regex(text, NUMBER), False)
    # NumPy reads what Arrow does not: a plus sign, and a number beyond all floats as infinite.
    values = np.asarray(pc.if_else(is_number, text, "nan").to_pylist(), dtype=np.float64)
    is_finite = np.isfinite(values)
    numbers = pa.array(values, mask=~is_finite).cast(pa.string())
    return pa.chunked_array([numbers]), ~is_finite

"""The split of an example from its content, and who stands in more than one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
# Keys of SipHash, written down once and for ever: with others every split would be another.
SPLIT_KEY, CONTENT_KEY = "refrain.splits.1", "refrain.content1"


def normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a text so that copies look alike: NFKC, small letters, single spaces."""
    text = pc.binary_join(column, " ") if pa.types.is_list(column.type) else column
    text = pc.utf8_lower(pc.utf8_normalize(text, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " "))


def hashes(column: pa.ChunkedArray, key: str) -> NDArray[np.uint64]:
    """Keyed 64-bit hashes of texts, the same on every machine and day."""
    values = column.to_numpy().astype(object)
    return np.asarray(pd.util.hash_array(values, hash_key=key, categorize=False))


def assign(keys: pa.ChunkedArray, shares: Mapping[str, float]) -> NDArray[np.int8]:
    """Give each key its split: the number of its name in ``SPLITS``.

    A pure function of the key and the shares, so a dataset that grows never
    moves a row from one split to another.

    Args:
        keys: Normalised texts, (N,).
        shares: Of ``validation`` and ``test``; the rest is ``train``.
    """
    place = hashes(keys, SPLIT_KEY) / np.float64(2**64)
    test = shares.get("test", 0.0)
    is_test, is_validation = place < test, place < test + shares.get("validation", 0.0)
    return np.where(is_test, 2, np.where(is_validation, 1, 0)).astype(np.int8)

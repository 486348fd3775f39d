"""The split of an example from its content: normalised, hashed with a key, the same for ever."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.rows.arrow_text import MIX, hashes

SPLITS = ("train", "validation", "test")
# Keys of the hash, written down once and for ever: with others every split would be another.
SPLIT_KEY, CONTENT_KEY = "refrain.splits.1", "refrain.content1"


def row_hashes(sides: NDArray[np.uint64], target: pa.ChunkedArray | None) -> NDArray[np.uint64]:
    """Hashes of whole rows: those of the source sides, mixed with the targets'.

    Args:
        sides: Hashes of the source sides, (N,).
        target: Normalised targets, or None where a row has one side only.
    """
    if target is None:
        return sides
    coded = target.combine_chunks().dictionary_encode()  # labels are few
    distinct = hashes(pa.chunked_array([coded.dictionary]), CONTENT_KEY)
    mixed = (sides ^ (sides >> np.uint64(29))) * MIX + distinct[
        coded.indices.to_numpy(zero_copy_only=False)
    ]
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))


def assign(sides: NDArray[np.uint64], shares: Mapping[str, float]) -> NDArray[np.int8]:
    """Give each row its split: the number of its name in ``SPLITS``.

    A pure function of the source side and the shares, so a dataset that grows
    never moves a row from one split to another.

    Args:
        sides: Hashes of normalised source texts by ``SPLIT_KEY``, (N,).
        shares: Of ``validation`` and ``test``; the rest is ``train``.
    """
    place = sides / np.float64(2**64)
    test = shares.get("test", 0.0)
    is_test, is_validation = place < test, place < test + shares.get("validation", 0.0)
    return np.where(is_test, 2, np.where(is_validation, 1, 0)).astype(np.int8)

"""The split of a row, from a keyed hash of its normalized content: it never changes."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.rows.arrow_text import MIX, hashes

SPLITS = ("train", "validation", "test")
# Keys of the hash. They must never change, or every split would change.
SPLIT_KEY = "refrain.splits.1"
CONTENT_KEY = "refrain.content1"


def row_hashes(sides: NDArray[np.uint64], target: pa.ChunkedArray | None) -> NDArray[np.uint64]:
    """Hash whole rows: the hashes of the source sides, mixed with the targets'.

    Args:
        sides: Hashes of the source sides, (N,).
        target: Normalized targets, or None where a row has one side only.
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
    """Assign each row its split, as an index of ``SPLITS``.

    A pure function of the source side and the shares, so no row changes its
    split when a dataset grows.

    Args:
        sides: Hashes of normalized source texts by ``SPLIT_KEY``, (N,).
        shares: Of ``validation`` and ``test``; the rest is ``train``.
    """
    position = sides / np.float64(2**64)
    test = shares.get("test", 0.0)
    is_held_out = position < test + shares.get("validation", 0.0)
    return np.where(position < test, 2, np.where(is_held_out, 1, 0)).astype(np.int8)

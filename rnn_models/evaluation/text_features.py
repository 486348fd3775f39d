"""N-grams of ids and characters as sparse features, hashed, so that no vocabulary is kept.

N texts, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NUM_BITS = 20
NUM_FEATURES = 2**NUM_BITS
# 2 ** 64 over the golden ratio: Knuth's multiplicative hash
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def character_ids(texts: Sequence[str], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Concatenate the code points of lowercased texts.

    Runs of white space become one space, which also stands at both ends, so
    that an n-gram shows where a word begins.

    Returns:
        Code points of the first ``most`` characters of each text, and the start
        of each, (N + 1,).
    """
    shown = [f" {' '.join(text[:most].lower().split())} " for text in texts]
    offsets = np.cumsum([0, *map(len, shown)], dtype=np.int64)
    return np.frombuffer("".join(shown).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(
        np.int64
    ), offsets


def bag_of_ids(ids: NDArray[Any], offsets: NDArray[np.int64], num_ids: int) -> csr_matrix:
    """Count each id in each row, (N, V).

    Args:
        ids: Ids of all rows, concatenated.
        offsets: Start of each row, and the end of the last, (N + 1,).
        num_ids: V.
    """
    from scipy.sparse import csr_matrix

    ones = np.ones(len(ids), dtype=np.float32)
    shape = (len(offsets) - 1, num_ids)
    # A copy, because summing duplicates sorts in place and the ids belong to the caller.
    counts = csr_matrix((ones, ids, offsets), shape=shape, copy=True)
    counts.sum_duplicates()
    return counts


def ngram_counts(
    ids: NDArray[np.int64], offsets: NDArray[np.int64], orders: Sequence[int]
) -> csr_matrix:
    """Count the n-grams of each text by their hashes, (N, F).

    Args:
        ids: Ids of all texts, concatenated.
        offsets: Start of each text, (N + 1,).
        orders: Lengths of the n-grams.
    """
    from scipy.sparse import coo_matrix

    lengths = np.diff(offsets)
    row_of = np.repeat(np.arange(len(lengths)), lengths)
    left = np.repeat(offsets[1:], lengths) - np.arange(len(ids))
    rows = []
    columns = []
    hashed = np.zeros(len(ids), dtype=np.uint64)
    for order in range(1, max(orders) + 1):
        # From the hash of the shorter n-gram, so each order is one pass. The order is added, or
        # runs of id 0 would have the same hash in all orders.
        hashed = (
            hashed[: len(ids) - order + 1] + ids[order - 1 :].astype(np.uint64) + np.uint64(order)
        ) * MULTIPLIER
        is_whole = left[: len(hashed)] >= order  # an n-gram ends where its text does
        if order in orders:
            rows.append(row_of[: len(hashed)][is_whole])
            # The high bits: a product carries upwards only, so the low ones depend on few bits of
            # the ids.
            columns.append((hashed[is_whole] >> np.uint64(64 - NUM_BITS)).astype(np.int32))
    found = np.concatenate(rows), np.concatenate(columns)
    shape = (len(lengths), NUM_FEATURES)
    counts = coo_matrix((np.ones(len(found[0]), dtype=np.float32), found), shape=shape).tocsr()
    counts.sum_duplicates()
    return counts

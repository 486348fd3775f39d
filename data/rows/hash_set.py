"""A map of hashes that stays small and fast at millions of rows."""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
MAX_LOAD = 0.7
FIRST_BITS = 12
MOVED = 1 << 15  # slots that move at once while the table grows


class Seen:
    """64-bit keys, each with its first 32-bit value.

    An array with open addressing, probed for a whole batch at once, so no
    Python runs per row; 17 to 34 bytes per key. Keys are inserted in sorted
    order, for sequential memory access. They must be hashes, because the first
    bits of a key choose its slot. Two texts of equal hash count as one: with
    ten million rows that happens once in some 370,000 datasets.
    """

    def __init__(self, keys: Hashes | None = None) -> None:
        """Begin empty, or with some keys."""
        self.keys = np.zeros(1 << FIRST_BITS, dtype=np.uint64)  # 0 is a free slot
        self.values = np.zeros(1 << FIRST_BITS, dtype=np.uint32)
        self.num = 0
        if keys is not None:
            self.put(keys)

    def __len__(self) -> int:
        return self.num

    def has(self, keys: Hashes) -> NDArray[np.bool_]:
        """Mark the keys that the map has, (N,)."""
        if not self.num:
            return np.zeros(len(keys), dtype=bool)
        return np.asarray(self.keys[self._find(_not_zero(keys))] != 0)

    def put(
        self, keys: Hashes, values: NDArray[np.uint32] | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
        """Insert keys with their values; a known key keeps its value.

        Returns:
            A mask of new keys, of equal ones the first, and the value of each
            key in the map; both (N,).
        """
        values = np.zeros(len(keys), dtype=np.uint32) if values is None else values
        keys = _not_zero(keys)
        order = stable_order(keys)
        ordered = keys[order]
        is_first = (
            np.append(True, ordered[1:] != ordered[:-1]) if len(keys) else np.zeros(0, dtype=bool)
        )
        first = order[is_first]
        distinct = ordered[is_first]
        self._grow(self.num + len(first))
        slots = self._find(distinct)
        is_free = self.keys[slots] == 0
        slots[is_free] = self._insert(distinct[is_free], values[first[is_free]], slots[is_free])
        self.num += int(is_free.sum())
        is_new = np.zeros(len(keys), dtype=bool)
        is_new[first[is_free]] = True
        current = np.empty(len(keys), dtype=np.uint32)
        current[order] = self.values[slots][np.cumsum(is_first) - 1]
        return is_new, current

    def _find(self, keys: Hashes) -> NDArray[np.int64]:
        """Find the slots of keys, or the free slots where the search ended."""
        slots = (keys >> np.uint64(65 - len(self.keys).bit_length())).astype(np.int64)
        found = self.keys[slots]
        waiting = np.flatnonzero((found != keys) & (found != 0))
        while len(waiting):
            slots[waiting] = (slots[waiting] + 1) & (len(self.keys) - 1)
            found = self.keys[slots[waiting]]
            waiting = waiting[(found != keys[waiting]) & (found != 0)]
        return slots

    def _insert(
        self, keys: Hashes, values: NDArray[np.uint32], slots: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Write distinct new keys at ``slots`` or behind them, and return their slots."""
        slots = slots.copy()
        waiting = np.arange(len(keys))
        while len(waiting):
            free = waiting[self.keys[slots[waiting]] == 0]
            self.keys[slots[free]] = keys[free]  # of two keys for one slot the last stays
            waiting = waiting[self.keys[slots[waiting]] != keys[waiting]]
            slots[waiting] = (slots[waiting] + 1) & (len(self.keys) - 1)
        self.values[slots] = values
        return slots

    def _grow(self, num: int) -> None:
        while num > MAX_LOAD * len(self.keys):
            self._double()

    def _double(self) -> None:
        """Double the table in place; a second table would need half as much memory again.

        It moves keys from the end on: the new slot of a key is about twice its
        old one, so behind all keys that still wait. Keys that wrapped around
        the end are in the first slots and move last.
        """
        size = len(self.keys)
        for array in (self.keys, self.values):
            array.resize(2 * size, refcheck=False)
        for stop in range(size, 0, -MOVED):
            part = slice(max(0, stop - MOVED), stop)
            is_taken = self.keys[part] != 0
            keys = self.keys[part][is_taken]
            values = self.values[part][is_taken]
            self.keys[part] = 0
            self._insert(keys, values, self._find(keys))


def stable_order(keys: Hashes) -> NDArray[np.int64]:
    """Find the stable order that sorts hashes.

    NumPy sorts numbers several times as fast as it finds an order, so the last
    bits of each number carry its index.
    """
    bits = np.uint64(len(keys).bit_length())
    packed = np.sort((keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64))
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    ordered = keys[order]
    if (ordered[1:] < ordered[:-1]).any():  # two hashes that differ only in their last bits
        return np.argsort(keys, kind="stable")
    return order


def _not_zero(keys: Hashes) -> Hashes:
    return np.maximum(keys, np.uint64(1))

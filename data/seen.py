"""What stood in a source before: a map of hashes that stays small and fast at millions of rows."""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
MAX_LOAD = 0.7
FIRST_BITS = 12


class Seen:
    """64-bit keys, each with the 32-bit value it first came with.

    One array with open addressing, probed for a whole batch at once, round by
    round, so there is no Python per row; 17 to 34 bytes per key. Two texts of
    the same hash count as one: with ten million rows that happens once in
    some 370,000 datasets.
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
        """Mark the keys that were put, (N,)."""
        return self.keys[self._find(_not_zero(keys))] != 0 if self.num else np.zeros(len(keys), dtype=bool)

    def put(self, keys: Hashes, values: NDArray[np.uint32] | None = None) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
        """Put keys, each with a value; a key that is there keeps the value it has.

        Returns:
            Which keys are new, of equal ones the first, and the value that
            each key has now; both (N,).
        """
        values = np.zeros(len(keys), dtype=np.uint32) if values is None else values
        keys = _not_zero(keys)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.append(True, ordered[1:] != ordered[:-1]) if len(keys) else np.zeros(0, dtype=bool)
        first, group = order[starts], np.cumsum(starts) - 1
        self._grow(self.num + len(first))
        place = self._find(keys[first])
        is_free = self.keys[place] == 0
        place[is_free] = self._place(keys[first[is_free]], values[first[is_free]], place[is_free])
        self.num += int(is_free.sum())
        is_new, now = np.zeros(len(keys), dtype=bool), np.empty(len(keys), dtype=np.uint32)
        is_new[first[is_free]] = True
        now[order] = self.values[place][group]
        return is_new, now

    def _find(self, keys: Hashes) -> NDArray[np.int64]:
        """Slots of keys, or the free slots where the search for them ended."""
        place = (keys >> np.uint64(65 - len(self.keys).bit_length())).astype(np.int64)
        there = self.keys[place]
        waiting = np.flatnonzero((there != keys) & (there != 0))
        while len(waiting):
            place[waiting] = (place[waiting] + 1) & (len(self.keys) - 1)
            there = self.keys[place[waiting]]
            waiting = waiting[(there != keys[waiting]) & (there != 0)]
        return place

    def _place(self, keys: Hashes, values: NDArray[np.uint32], place: NDArray[np.int64]) -> NDArray[np.int64]:
        """Write distinct new keys from the slots on where their search ended, and say where they are."""
        place, waiting = place.copy(), np.arange(len(keys))
        while len(waiting):
            free = waiting[self.keys[place[waiting]] == 0]
            self.keys[place[free]] = keys[free]  # of two for one slot the last stays
            waiting = waiting[self.keys[place[waiting]] != keys[waiting]]
            place[waiting] = (place[waiting] + 1) & (len(self.keys) - 1)
        self.values[place] = values
        return place

    def _grow(self, num: int) -> None:
        size = len(self.keys)
        while num > MAX_LOAD * size:
            size *= 2
        if size == len(self.keys):
            return
        keys, values = self.keys, self.values
        self.keys, self.values = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.uint32)
        for start in range(0, len(keys), 1 << 20):
            is_taken = keys[start : start + (1 << 20)] != 0
            taken = keys[start : start + (1 << 20)][is_taken]
            self._place(taken, values[start : start + (1 << 20)][is_taken], self._find(taken))


def _not_zero(keys: Hashes) -> Hashes:
    return np.maximum(keys, np.uint64(1))

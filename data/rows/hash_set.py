"""What stood in a source before: a map of hashes that stays small and fast at millions of rows."""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
MAX_LOAD = 0.7
FIRST_BITS = 12
MOVED = 1 << 15  # slots that are emptied at once while the table grows


class Seen:
    """64-bit keys, each with the 32-bit value it first came with.

    One array with open addressing, probed for a whole batch at once, round by
    round, so there is no Python per row; 17 to 34 bytes per key. Keys are put
    in their order, so that memory is walked through and not jumped about in.
    They must be hashes: a slot is chosen by a key's first bits. Two texts of
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
        return (
            self.keys[self._find(_not_zero(keys))] != 0
            if self.num
            else np.zeros(len(keys), dtype=bool)
        )

    def put(
        self, keys: Hashes, values: NDArray[np.uint32] | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
        """Put keys, each with a value; a key that is there keeps the value it has.

        Returns:
            Which keys are new, of equal ones the first, and the value that
            each key has now; both (N,).
        """
        values = np.zeros(len(keys), dtype=np.uint32) if values is None else values
        keys = _not_zero(keys)
        order = stable_order(keys)
        ordered = keys[order]
        is_first = (
            np.append(True, ordered[1:] != ordered[:-1]) if len(keys) else np.zeros(0, dtype=bool)
        )
        first, distinct = order[is_first], ordered[is_first]
        self._grow(self.num + len(first))
        place = self._find(distinct)
        is_free = self.keys[place] == 0
        place[is_free] = self._place(distinct[is_free], values[first[is_free]], place[is_free])
        self.num += int(is_free.sum())
        is_new, now = np.zeros(len(keys), dtype=bool), np.empty(len(keys), dtype=np.uint32)
        is_new[first[is_free]] = True
        now[order] = self.values[place][np.cumsum(is_first) - 1]
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

    def _place(
        self, keys: Hashes, values: NDArray[np.uint32], place: NDArray[np.int64]
    ) -> NDArray[np.int64]:
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
        while num > MAX_LOAD * len(self.keys):
            self._double()

    def _double(self) -> None:
        """Make room for twice as many where they lie: no second table, which would be half as large.

        From the end on: a key's new slot is about twice its old one, so behind
        all that still wait. What went round the end stands first and comes last.
        """
        size = len(self.keys)
        for array in (self.keys, self.values):
            array.resize(2 * size, refcheck=False)
        for stop in range(size, 0, -MOVED):
            part = slice(max(0, stop - MOVED), stop)
            is_taken = self.keys[part] != 0
            keys, values = self.keys[part][is_taken], self.values[part][is_taken]
            self.keys[part] = 0
            self._place(keys, values, self._find(keys))


def stable_order(keys: Hashes) -> NDArray[np.int64]:
    """The order that sorts hashes, of equal ones the first first.

    numpy sorts numbers several times as fast as it finds an order, so each
    takes its place along in its last bits.
    """
    bits = np.uint64(len(keys).bit_length())
    packed = np.sort((keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64))
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    ordered = keys[order]
    if (ordered[1:] < ordered[:-1]).any():  # two that differ in their last bits only
        return np.argsort(keys, kind="stable")
    return order


def _not_zero(keys: Hashes) -> Hashes:
    return np.maximum(keys, np.uint64(1))

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rows.hash_set import FIRST_BITS, MAX_LOAD, Hashes, Seen, stable_order

# Few enough to repeat; some are neighbors, and some are at both ends.
KEYS = st.lists(
    st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2, 2**63, 2**64 - 2, 2**64 - 1])),
    max_size=60,
)


def drawn(num: int, seed: int = 0) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, num, dtype=np.uint64)


class Slow:
    """The same with a dictionary."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}

    def put(self, keys: Iterable[int], values: Iterable[int]) -> tuple[list[bool], list[int]]:
        is_new = []
        now = []
        for key, value in zip(keys, values, strict=True):
            key = max(key, 1)  # the table has no room for 0, and takes 1 for it
            is_new.append(key not in self.values)
            now.append(self.values.setdefault(key, value))
        return is_new, now


@settings(max_examples=100, deadline=None)
@given(st.lists(KEYS, max_size=6))
def test_put_equals_a_dictionary(batches: list[list[int]]) -> None:
    seen = Seen()
    slow = Slow()
    for number, batch in enumerate(batches):
        values = np.arange(len(batch), dtype=np.uint32) + 100 * number
        is_new, now = seen.put(np.array(batch, np.uint64), values)
        assert (is_new.tolist(), now.tolist()) == slow.put(batch, values.tolist())
    assert len(seen) == len(slow.values)


def test_all_keys_are_found_after_repeated_growth() -> None:
    keys = drawn(1_500_000)
    seen = Seen()  # more slots than are moved at once
    for start in range(0, len(keys), 90_000):
        part = keys[start : start + 90_000]
        seen.put(part, part.astype(np.uint32))
    assert len(seen) == len(np.unique(keys))
    is_new, now = seen.put(keys, np.zeros(len(keys), np.uint32))
    assert not is_new.any()
    assert (now == keys.astype(np.uint32)).all()


def test_missing_keys_are_not_found() -> None:
    seen = Seen(drawn(200_000))
    assert seen.has(drawn(200_000)).all()
    assert not seen.has(drawn(200_000, seed=1)).any()


def test_keys_that_wrap_around_are_found_after_growth() -> None:
    last = np.uint64(2**64 - 1) - np.arange(200, dtype=np.uint64)  # all for the last slot
    seen = Seen(last)
    seen.put(drawn(int(2 * MAX_LOAD * 2**FIRST_BITS)))
    assert seen.has(last).all()


def test_empty_table_contains_no_key() -> None:
    assert not Seen().has(drawn(10)).any()
    assert Seen().has(np.zeros(0, np.uint64)).tolist() == []


def test_first_of_equal_keys_in_a_batch_is_new() -> None:
    is_new, now = Seen().put(np.array([5, 7, 5], np.uint64), np.array([1, 2, 3], np.uint32))
    assert is_new.tolist() == [True, True, False]
    assert now.tolist() == [1, 2, 1]


@settings(max_examples=100, deadline=None)
@given(KEYS)
def test_order_equals_a_stable_sort(keys: list[int]) -> None:
    found = np.array(keys, np.uint64)
    assert stable_order(found).tolist() == np.argsort(found, kind="stable").tolist()


@pytest.mark.parametrize("keys", [[9, 8], [2**40 + 3, 2**40 + 1, 2**40 + 2, 2**40 + 1]])
def test_keys_that_differ_in_their_last_bits_are_sorted(keys: list[int]) -> None:
    found = np.array(keys, np.uint64)
    assert found[stable_order(found)].tolist() == sorted(keys)

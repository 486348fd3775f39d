"""A keyed 64-bit hash of many texts at once, without Python per text.

A text is padded by a byte 0x80 and zeros to whole words of eight bytes. Each
word (little-endian) is mixed with the key of its index; the hash is the sum of
all of them, mixed once more. A test computes the same slowly. The keys are
public, so the hash does not resist texts made to collide.

Origin:
    Steele, Lea and Flood (2014), splitmix64, with its mixing and its
    sequence of keys; Carter and Wegman (1979) for a sum over words with a key each.
"""

import hashlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Offsets = NDArray[np.int64]
STEP = np.uint64(0x9E3779B97F4A7C15)
ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
LAST_SHIFT = np.uint64(31)
BLOCK_BYTES = 1 << 18  # hashed at once: the intermediate arrays fit a core's cache


def hash_bytes(flat: NDArray[np.uint8], offsets: NDArray[np.integer], key: str) -> Words:
    """Hash texts that lie end to end.

    Args:
        flat: Their bytes.
        offsets: Where each begins in ``flat``, and where the last ends, (N + 1,).
        key: Hashes with another key are independent of these.

    Returns:
        The hashes, (N,).
    """
    seed = np.frombuffer(hashlib.sha256(key.encode()).digest()[:8], "<u8").astype(np.uint64)
    blocks = [
        _hash_block(flat[at[0] : at[-1]], at - at[0], seed)
        for at in _blocks(offsets.astype(np.int64, copy=False))
    ]
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def _blocks(offsets: Offsets) -> Iterator[Offsets]:
    """Cut texts into blocks of about ``BLOCK_BYTES``, or of one that is longer."""
    costs = offsets + np.arange(len(offsets))  # an empty text costs something too
    edges = np.searchsorted(costs, np.arange(costs[0], costs[-1], BLOCK_BYTES))
    for first, last in pairwise([*edges, len(offsets) - 1]):
        if last > first:
            yield offsets[first : last + 1]


def _hash_block(flat: NDArray[np.uint8], offsets: Offsets, seed: Words) -> Words:
    length = np.diff(offsets)
    num = (length >> 3) + 1  # words of each text
    ends = np.cumsum(num)
    first = ends - num
    last = ends - 1
    # The steps share memory: allocating arrays of this size costs more than the arithmetic.
    words, positions, spare = (np.empty(ends[-1], np.uint64) for _ in range(3))
    _read_words(flat, _count(first, offsets[:-1], 8, positions, spare), words, spare)
    bits = ((length & 7) << 3).astype(np.uint64)  # of the text in its last word
    one = np.uint64(1)
    words[last] = (words[last] & ((one << bits) - one)) | (np.uint64(0x80) << bits)
    keys = mix(np.asarray(seed + STEP * np.arange(1, num.max() + 1, dtype=np.uint64)))
    indices = _count(first, np.zeros_like(first), 1, positions, spare)
    words ^= np.take(keys, indices, mode="clip", out=spare)
    return mix(np.add.reduceat(mix(words, spare), first))


def mix(words: Words, spare: Words | None = None) -> Words:
    """Mix the bits of each word, in place."""
    spare = np.empty_like(words) if spare is None else spare
    for shift, factor in ROUNDS:
        words ^= np.right_shift(words, shift, out=spare)
        words *= factor
    words ^= np.right_shift(words, LAST_SHIFT, out=spare)
    return words


def _count(first: Offsets, start: Offsets, step: int, out: Words, spare: Words) -> Offsets:
    """Count up by ``step`` from ``start`` within each text; its first word is at ``first``."""
    steps = spare.view(np.int64)
    counted = out.view(np.int64)
    steps.fill(step)
    steps[0] = start[0]
    steps[first[1:]] = np.diff(start) - step * (np.diff(first) - 1)
    return np.cumsum(steps, out=counted)


def _read_words(flat: NDArray[np.uint8], positions: Offsets, out: Words, spare: Words) -> None:
    """Read eight bytes at each position, aligned or not; overwrites ``positions``."""
    padded = np.zeros((len(flat) >> 3) + 2, "<u8")
    padded.view(np.uint8)[: len(flat)] = flat
    aligned = padded.astype(np.uint64, copy=False)
    shift = (positions & 7).view(np.uint64) << np.uint64(3)
    positions >>= 3
    np.take(aligned, positions, mode="clip", out=out)
    out >>= shift
    positions += 1
    np.take(aligned, positions, mode="clip", out=spare)
    spare <<= np.uint64(1)  # in two steps: a shift by 64 bits does nothing
    spare <<= np.subtract(np.uint64(63), shift, out=shift)
    out |= spare

"""A keyed 64-bit hash of many texts at once, without Python per text.

A byte 0x80 is put behind a text's bytes, and zeros up to a whole word of
eight. Each word (little-endian) is mixed with the key of its place; the hash
is the sum of all of them, mixed once more. A test writes the same out slowly.
The keys stand in our code, so it is no shield against texts made to collide.

Origin:
    Steele, Lea and Flood (2014), splitmix64, with its mixing and its keys of
    places; Carter and Wegman (1979) for a sum over places with keys of their own.
"""

import hashlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
STEP = np.uint64(0x9E3779B97F4A7C15)
ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
LAST_SHIFT = np.uint64(31)
BLOCK_BYTES = 1 << 18  # hashed at once: what is made of them stays in a core's cache


def hash_bytes(flat: NDArray[np.uint8], offsets: NDArray[np.integer], key: str) -> Words:
    """Hash texts that lie end to end.

    Args:
        flat: Their bytes.
        offsets: Where each begins in ``flat``, and where the last ends, (N + 1,).
        key: Hashes by another key have nothing to do with these.

    Returns:
        The hashes, (N,).
    """
    seed = np.frombuffer(hashlib.sha256(key.encode()).digest()[:8], "<u8").astype(np.uint64)
    blocks = [
        _hash_block(flat[at[0] : at[-1]], at - at[0], seed)
        for at in _blocks(offsets.astype(np.int64, copy=False))
    ]
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def _blocks(offsets: Places) -> Iterator[Places]:
    """Cut texts into blocks of about ``BLOCK_BYTES``, or of one that is longer."""
    costs = offsets + np.arange(len(offsets))  # an empty text costs something too
    edges = np.searchsorted(costs, np.arange(costs[0], costs[-1], BLOCK_BYTES))
    for first, last in pairwise([*edges, len(offsets) - 1]):
        if last > first:
            yield offsets[first : last + 1]


def _hash_block(flat: NDArray[np.uint8], offsets: Places, seed: Words) -> Words:
    length = np.diff(offsets)
    num = (length >> 3) + 1  # words of each text
    ends = np.cumsum(num)
    first, last = ends - num, ends - 1
    # Memory that the steps share: new arrays of this size cost more than what is done in them.
    words, places, spare = (np.empty(ends[-1], np.uint64) for _ in range(3))
    _read_words(flat, _count(first, offsets[:-1], 8, places, spare), words, spare)
    bits = ((length & 7) << 3).astype(np.uint64)  # of the text in its last word
    one = np.uint64(1)
    words[last] = (words[last] & ((one << bits) - one)) | (np.uint64(0x80) << bits)
    keys = mix(np.asarray(seed + STEP * np.arange(1, num.max() + 1, dtype=np.uint64)))
    words ^= np.take(
        keys, _count(first, np.zeros_like(first), 1, places, spare), mode="clip", out=spare
    )
    return mix(np.add.reduceat(mix(words, spare), first))


def mix(words: Words, spare: Words | None = None) -> Words:
    """Mix the bits of each word, in place."""
    spare = np.empty_like(words) if spare is None else spare
    for shift, factor in ROUNDS:
        words ^= np.right_shift(words, shift, out=spare)
        words *= factor
    words ^= np.right_shift(words, LAST_SHIFT, out=spare)
    return words


def _count(first: Places, start: Places, step: int, out: Words, spare: Words) -> Places:
    """Count up by ``step`` within each text, whose first word stands at ``first``, from its ``start`` on."""
    steps, counted = spare.view(np.int64), out.view(np.int64)
    steps.fill(step)
    steps[0] = start[0]
    steps[first[1:]] = np.diff(start) - step * (np.diff(first) - 1)
    return np.cumsum(steps, out=counted)


def _read_words(flat: NDArray[np.uint8], places: Places, out: Words, spare: Words) -> None:
    """Read eight bytes from each place on, though no word of the machine need begin there; ``places`` are used up."""
    padded = np.zeros((len(flat) >> 3) + 2, "<u8")
    padded.view(np.uint8)[: len(flat)] = flat
    aligned = padded.astype(np.uint64, copy=False)
    shift = (places & 7).view(np.uint64) << np.uint64(3)
    places >>= 3
    np.take(aligned, places, mode="clip", out=out)
    out >>= shift
    places += 1
    np.take(aligned, places, mode="clip", out=spare)
    spare <<= np.uint64(1)  # in two steps: a shift by 64 bits is none
    spare <<= np.subtract(np.uint64(63), shift, out=shift)
    out |= spare

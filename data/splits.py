"""The split of an example from its content: normalised, hashed with a key, the same for ever."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
# Keys of SipHash, written down once and for ever: with others every split would be another.
SPLIT_KEY, CONTENT_KEY = "refrain.splits.1", "refrain.content1"
SPACES = np.isin(np.arange(256), [9, 10, 12, 13])  # what one space stands for, beside the space itself
MIX = np.uint64(0x9E3779B97F4A7C15)  # of splitmix64


def flat_bytes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """The bytes of a column of texts, end to end."""
    parts = [np.zeros(0, np.uint8)]
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()
        if data is not None and len(chunk):
            ends = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
            parts.append(np.frombuffer(data, np.uint8)[ends[0] : ends[1]])
    return np.concatenate(parts) if len(parts) > 2 else parts[-1]


def is_ascii(flat: NDArray[np.uint8]) -> bool:
    """Whether bytes are of ASCII characters only."""
    return not len(flat) or int(flat.max()) < 128


def normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a text so that copies look alike: NFKC, small letters, single spaces."""
    text = pc.binary_join(column, " ") if pa.types.is_list(column.type) else column
    flat = flat_bytes(text)
    if is_ascii(flat):  # the same result, ten times as fast
        text = pc.ascii_lower(text)
        is_space = flat == 32
        if not SPACES[flat].any() and not (is_space[1:] & is_space[:-1]).any():
            return pc.utf8_trim_whitespace(text)
    else:
        text = pc.utf8_lower(pc.utf8_normalize(text, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " "))


def hashes(column: pa.ChunkedArray, key: str) -> NDArray[np.uint64]:
    """Keyed 64-bit hashes of texts, the same on every machine and day."""
    values = column.to_numpy().astype(object, copy=False)
    return np.asarray(pd.util.hash_array(values, hash_key=key, categorize=False))


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
    mixed = (sides ^ (sides >> np.uint64(29))) * MIX + distinct[coded.indices.to_numpy(zero_copy_only=False)]
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

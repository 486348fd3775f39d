"""Columns of text as flat bytes, normalized and hashed without Python per text."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.rows.hashing import hash_bytes
from data.text.invisible_characters import without_invisible

PART_BYTES = 1 << 17
# By byte: whitespace of ASCII that one space replaces.
SPACES = np.isin(np.arange(256), [9, 10, 12, 13])
MIX = np.uint64(0x9E3779B97F4A7C15)  # of splitmix64


def flat_text(chunk: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bytes of texts, end to end, and where each text begins."""
    _, offset_buffer, data = chunk.buffers()
    if not len(chunk) or offset_buffer is None:
        return np.zeros(0, np.uint8), np.zeros(len(chunk) + 1, np.int32)
    offsets = np.frombuffer(offset_buffer, np.int32)
    offsets = offsets[chunk.offset : chunk.offset + len(chunk) + 1]
    flat = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return flat[offsets[0] : offsets[-1]], offsets - offsets[0]


def flat_bytes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """Return the bytes of a column of texts, end to end."""
    parts = [flat_text(chunk)[0] for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.uint8), *parts])


def row_starts(rows: pa.ListArray) -> NDArray[np.int64]:
    """Return where each row starts in the flattened values, and where the last ends."""
    return np.cumsum(np.append(0, pc.fill_null(pc.list_value_length(rows), 0).to_numpy()))


def is_ascii(flat: NDArray[np.uint8]) -> bool:
    """Whether bytes are of ASCII characters only."""
    return not len(flat) or int(flat.max()) < 128


def has_controls(flat: NDArray[np.uint8]) -> bool:
    """Whether some bytes are control characters of ASCII, tabs and line ends included."""
    return len(flat) > 0 and (
        int(flat.min()) < 32 or any(bool((part == 127).any()) for part in _parts(flat))
    )


def num_characters(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Count the characters of each text."""
    return pc.binary_length(column) if is_ascii(flat_bytes(column)) else pc.utf8_length(column)


def normalized(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Normalize texts to compare them.

    No invisible characters, NFKC, small letters, single spaces.
    """
    text = pc.binary_join(column, " ") if pa.types.is_list(column.type) else column
    flat = flat_bytes(text)
    if is_ascii(flat):  # equal result, ten times as fast
        text = pc.ascii_lower(text)
    else:
        # Invisible characters go first: one between a letter and its accent prevents NFKC.
        text = pc.utf8_lower(pc.utf8_normalize(without_invisible(text), form="NFKC"))
        flat = flat_bytes(text)
    if _has_odd_spaces(flat):
        text = pc.replace_substring_regex(text, r"\s+", " ")
    return pc.utf8_trim_whitespace(text)


def _has_odd_spaces(flat: NDArray[np.uint8]) -> bool:
    """Whether two spaces follow each other, or there is other whitespace."""
    for part in _parts(flat):
        is_space = (part == 32).view(np.uint8)  # NumPy combines bytes faster than booleans
        if (is_space[1:] & is_space[:-1]).any():
            return True
    return has_controls(flat) and any(bool(SPACES[part].any()) for part in _parts(flat))


def _parts(flat: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Cut bytes into parts that fit a core's cache, each with the first byte of the next."""
    return (flat[start : start + PART_BYTES + 1] for start in range(0, len(flat), PART_BYTES))


def hashes(column: pa.ChunkedArray, key: str) -> NDArray[np.uint64]:
    """Hash texts to keyed 64 bits, equal on every machine; null counts as empty."""
    texts = pc.fill_null(column.cast(pa.string()), "")
    return np.concatenate(
        [np.zeros(0, np.uint64), *(hash_bytes(*flat_text(chunk), key) for chunk in texts.chunks)]
    )

"""The features of rows that the monitor compares: lengths, words, characters, labels, numbers."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.ingestion.row_codes import RowCodes, character_codes, label_codes, word_codes
from rnn_models.evaluation.distribution_shift import (
    Counts,
    frequent_bins,
    quantile_bins,
)
from rnn_models.evaluation.text_features import bag_of_ids

LABELS = ("label", "tags")
NUMBERS = ("score", "confidence")
NUM_WORDS = 200  # bins of the most frequent words; the rest is one more
NUM_CHARACTERS = 100
NUM_LABELS = 50


def features_of(table: pa.Table, known: pa.Table) -> dict[str, Counts]:
    """Count the features of rows of both samples.

    Args:
        table: The rows of both, a column for each side, label, or number.
        known: Other rows of the reference; a word that they lack is unknown.
    """
    found: dict[str, Counts] = {}
    for name in table.column_names:
        column = table[name]
        if name in NUMBERS:
            found[name] = quantile_bins(_numbers(column))
        elif name in LABELS:
            found[name] = _bins(label_codes(column), NUM_LABELS)
        else:
            words = word_codes(column)
            found |= _text_features(name, column, words)
            if name in known.column_names:
                found[f"unknown words{_of(name)}"] = _unknown(words, known[name])
    # A feature that is the same in all rows cannot differ.
    return {name: counts for name, counts in found.items() if counts.shape[1] > 1}


def _text_features(name: str, column: pa.ChunkedArray, words: RowCodes) -> dict[str, Counts]:
    characters = character_codes(column)
    length = words if pa.types.is_list(column.type) else characters
    of = _of(name)
    return {
        f"length{of}": quantile_bins(length.lengths.astype(np.float64)),
        f"words{of}": _bins(words, NUM_WORDS),
        f"characters{of}": _bins(characters, NUM_CHARACTERS),
    }


def _of(name: str) -> str:
    return "" if name in ("text", "tokens") else f" of {name}"


def _bins(codes: RowCodes, most: int) -> Counts:
    counts = bag_of_ids(codes.ids, codes.offsets, max(1, len(codes.names)))
    return counts if counts.shape[1] <= most else frequent_bins(counts, most)


def _unknown(words: RowCodes, known: pa.ChunkedArray) -> Counts:
    """Count known and unknown words, (N, 2)."""
    is_unknown = ~words.is_in(word_codes(known).names)
    return bag_of_ids(is_unknown.astype(np.int64), words.offsets, 2)


def _numbers(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(np.nan_to_num(values), dtype=np.float64)


def sides_of(table: pa.Table) -> Iterator[str]:
    """List the columns of text, the one that a model reads first."""
    return (name for name in table.column_names if name not in (*LABELS, *NUMBERS))

"""Words for missing values, as other programs write them."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from data.formats.base import TEXT

# Missing values of pandas, R, SQL, JSON and spreadsheets, in small letters.
WORDS = (
    "nan",
    "null",
    "none",
    "na",
    "n/a",
    "n.a.",
    "<na>",
    "<nan>",
    "<null>",
    "#n/a",
    "#na",
    "#null!",
    "#value!",
    "#ref!",
    "nat",
    "nil",
    "(null)",
    "\\n",
    "-nan",
    "1.#qnan",
    "-",
    "--",
    "---",
    "?",
    ".",
    "undefined",
    "missing",
    "[null]",
    "_na_",
)
LONGEST = max(map(len, WORDS))


def listed(column: pa.ChunkedArray, words: Iterable[str]) -> pa.ChunkedArray:
    """Mark the values in a list of words, in any case and with any spaces around them."""
    known = pa.array(sorted({word.strip().lower() for word in words}), TEXT)
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), known)


def count_missing_words(column: pa.ChunkedArray) -> Counter[str]:
    """Count the words for missing values in a column, each as it is written."""
    short = column.filter(pc.less_equal(pc.binary_length(column), LONGEST + 4))  # and some spaces
    found = short.filter(listed(short, WORDS)) if len(short) else short
    return Counter(
        {item["values"].strip(): item["counts"] for item in pc.value_counts(found).to_pylist()}
    )


def rejected_with_missing_words(raw: pa.ChunkedArray) -> tuple[int, Counter[str]]:
    """Find rejected rows with a side that is a word for a missing value.

    Args:
        raw: The rows, their sides joined by tabs.

    Returns:
        The number of such rows, and how many sides are each word.
    """
    sides = pc.split_pattern(raw, "\t").combine_chunks()
    flat = pa.chunked_array([sides.flatten()])
    is_word = listed(flat, WORDS).combine_chunks()
    rows = pc.unique(pc.list_parent_indices(sides).filter(is_word))
    return len(rows), count_missing_words(flat.filter(is_word))

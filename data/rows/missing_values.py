"""Words that stand for nothing: what other programs write where a value is missing."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from data.formats.base import TEXT

# As pandas, R, SQL, JSON, Excel and spreadsheets write a missing value, in small letters.
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


def is_missing_word(name: str) -> bool:
    """Whether a whole value reads like one that is missing."""
    return name.strip().lower() in WORDS


def listed(column: pa.ChunkedArray, words: Iterable[str]) -> pa.ChunkedArray:
    """Mark the values that are one of some words, in any case and with any spaces around them."""
    known = pa.array(sorted({word.strip().lower() for word in words}), TEXT)
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), known)


def count_missing_words(column: pa.ChunkedArray) -> Counter[str]:
    """Count the values that read like a missing one, each as it is written."""
    short = column.filter(pc.less_equal(pc.binary_length(column), LONGEST + 4))  # and some spaces
    found = short.filter(listed(short, WORDS)) if len(short) else short
    return Counter(
        {item["values"].strip(): item["counts"] for item in pc.value_counts(found).to_pylist()}
    )


def rejected_with_missing_words(raw: pa.ChunkedArray) -> tuple[int, Counter[str]]:
    """Find the rejected rows, sides with a tab between, of which a side reads like a missing value.

    Returns:
        Their number, and the words with the number of sides that are one.
    """
    sides = pc.split_pattern(raw, "\t").combine_chunks()
    flat = pa.chunked_array([sides.flatten()])
    is_word = listed(flat, WORDS).combine_chunks()
    rows = pc.unique(pc.list_parent_indices(sides).filter(is_word))
    return len(rows), count_missing_words(flat.filter(is_word))

"""Removal lists: rows that must be forgotten, by hashes of their texts and keys."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import RowError
from data.formats.base import KIND, ROW, TEXT
from data.rows.arrow_text import hashes, normalized
from data.rows.hash_set import Seen
from data.rows.splits import CONTENT_KEY, SPLIT_KEY

KEY = "key"  # role of the column that identifies a row, where a source has one
REMOVED = "removed"  # the kind of a removed row, of which only number and key are left


@dataclass(frozen=True)
class Removals:
    """A removal list: hashes of texts and of keys."""

    texts: Seen = field(default_factory=Seen)
    keys: Seen = field(default_factory=Seen)

    @classmethod
    def of(cls, lines: list[str]) -> "Removals":
        """Read lines ``text:HASH`` (16 hexadecimal digits), ``key:VALUE``, and comments.

        Raises:
            RowError: If a line is none of these, nor empty.
        """
        texts = []
        keys = []
        for number, line in enumerate(lines, start=1):
            kind, _, value = line.strip().partition(":")
            if kind == "text" and len(value) == 16 and not set(value) - set("0123456789abcdef"):
                texts.append(int(value, 16))
            elif kind == "key" and value:
                keys.append(value)
            elif line.strip() and not line.startswith("#"):
                raise RowError(
                    f"line {number}: expected text:HASH (16 hexadecimal digits) or key:VALUE, "
                    f"got {line.strip()[:60]!r}"
                )
        key_hashes = hashes(pa.chunked_array([pa.array(keys, TEXT)]), CONTENT_KEY)
        return cls(Seen(np.asarray(texts, np.uint64)), Seen(key_hashes))


def text_hash(text: str) -> str:
    """Hash a text for a removal list; copies in other case or spacing have the same hash."""
    return f"{int(hashes(normalized(pa.chunked_array([[text]])), SPLIT_KEY)[0]):016x}"


def blanked(table: pa.Table, removals: Removals, side: str) -> pa.Table:
    """Erase the rows on a removal list, except row and key; their kind becomes ``REMOVED``.

    Args:
        table: Checked rows.
        removals: The removal list.
        side: Role of the source side, whose text is compared.
    """
    if not len(removals.texts) and not len(removals.keys):
        return table
    is_removed = removals.texts.has(hashes(pc.fill_null(normalized(table[side]), ""), SPLIT_KEY))
    if KEY in table.column_names:
        is_removed |= removals.keys.has(hashes(pc.fill_null(table[KEY], ""), CONTENT_KEY))
    if not is_removed.any():
        return table
    mask = pa.array(is_removed)
    for index, name in enumerate(table.column_names):
        if name not in (ROW, KEY):
            left = pa.scalar(REMOVED if name == KIND else None, table[name].type)
            table = table.set_column(index, name, pc.if_else(mask, left, table[name]))
    return table

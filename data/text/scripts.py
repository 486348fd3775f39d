"""Scripts of texts, and whether their words are separated by spaces."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

# Unicode scripts without spaces between words, by their names in RE2.
UNSPACED_SCRIPTS = (
    "Han",
    "Hiragana",
    "Katakana",
    "Bopomofo",
    "Yi",
    "Tangut",
    "Nushu",
    "Khitan_Small_Script",
    "Thai",
    "Lao",
    "Khmer",
    "Myanmar",
    "Tibetan",
    "Tai_Le",
    "New_Tai_Lue",
    "Tai_Tham",
    "Tai_Viet",
    "Ahom",
    "Javanese",
    "Balinese",
)
LETTERS = r"[\pL\pM]"  # with marks: vowels of Thai and Khmer are marks
UNSPACED_LETTERS = "[" + "".join(rf"\p{{{name}}}" for name in UNSPACED_SCRIPTS) + "]"
HAN_LETTERS = r"\p{Han}"
MOST = 0.5  # from this share of letters on, texts count as written in such scripts


@dataclass(frozen=True)
class Scripts:
    """Counts of letters: all, those of scripts without spaces, and Han characters."""

    letters: int = 0
    unspaced: int = 0
    han: int = 0

    @property
    def unspaced_share(self) -> float:
        """Share of the letters that belong to scripts without spaces."""
        return self.unspaced / max(1, self.letters)

    @property
    def han_share(self) -> float:
        """Share of the letters of such scripts that are Han characters."""
        return self.han / max(1, self.unspaced)

    @property
    def is_unspaced(self) -> bool:
        """Whether words are not separated by spaces."""
        return self.unspaced_share >= MOST


def count_scripts(columns: Iterable[pa.ChunkedArray]) -> Scripts:
    """Count the letters of texts, or of lists of tokens, by script."""
    letters = unspaced = han = 0
    for column in columns:
        texts = pc.list_flatten(column) if pa.types.is_list(column.type) else column
        letters += _count(texts, LETTERS)
        here = _count(texts, UNSPACED_LETTERS)
        unspaced += here
        han += _count(texts, HAN_LETTERS) if here else 0
    return Scripts(letters, unspaced, han)


def _count(texts: pa.ChunkedArray, pattern: str) -> int:
    return int(pc.sum(pc.count_substring_regex(texts, pattern)).as_py() or 0)

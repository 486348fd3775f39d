"""Words and the ids of their characters, for words that have no id."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.arrays import Encoded, RaggedFile, cut, kept
from data.text.settings import SPECIAL, UNK_ID

Words = tuple[list[str], Encoded]  # distinct words, and rows as numbers of these

# Longer words are addresses and the like, and one of them pads all others of a batch.
MAX_CHARACTERS = 30
# A character of a single word carries no more than the word; the unknown character is learned
# from such characters.
MIN_WORDS = 2
NOTHING = "\0"  # stands for an empty word, as one unknown character


@dataclass(frozen=True)
class Characters:
    """The characters that have ids, in id order; the special ids come before them."""

    known: str

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Characters":
        """Collect the characters that occur in at least ``MIN_WORDS`` distinct words."""
        words: set[str] = set()
        for column in columns:
            words.update(pc.unique(pc.list_flatten(column)).to_pylist())
        counts = Counter(character for word in words for character in set(word))
        return cls(
            "".join(sorted(c for c, count in counts.items() if count >= MIN_WORDS and c != NOTHING))
        )

    @property
    def size(self) -> int:
        """The number of character ids, special ones included."""
        return len(SPECIAL) + len(self.known)

    def spell(self, words: Sequence[str]) -> Encoded:
        """Encode the characters of words: ids end to end, and where each word starts.

        A long word is cut at ``MAX_CHARACTERS``.
        """
        shown = [word[:MAX_CHARACTERS] or NOTHING for word in words]
        offsets = np.cumsum([0, *map(len, shown)], dtype=np.int64)
        codes = _codes("".join(shown))
        known = _codes(self.known)
        if not len(known):
            return np.full(len(codes), UNK_ID, dtype=np.int32), offsets
        index = np.searchsorted(known, codes).clip(max=len(known) - 1)
        ids = np.where(known[index] == codes, index + len(SPECIAL), UNK_ID)
        return ids.astype(np.int32), offsets


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def distinct_words(rows: pa.ChunkedArray | pa.Array) -> Words:
    """Find the distinct words of rows, and write the rows as indices of these.

    An empty row becomes one empty word.
    """
    column = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    if pc.min(pc.list_value_length(column)).as_py() == 0:
        column = pa.array([row or [""] for row in column.to_pylist()], pa.list_(pa.string()))
    lengths = pc.list_value_length(column).to_numpy()
    found = column.flatten().dictionary_encode()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return found.dictionary.to_pylist(), (found.indices.to_numpy().astype(np.int32), offsets)


class WordFiles:
    """The words of a split on disk: a number for each token, and the spelling of each number.

    Memory grows with the number of distinct words, not with that of rows.
    """

    def __init__(self, folder: Path, split: str, characters: Characters) -> None:
        self.characters = characters
        self.numbers: dict[str, int] = {}
        self.forms = RaggedFile(folder, f"{split}.forms")
        self.spellings = RaggedFile(folder, f"{split}.spellings")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.forms.__exit__(kind, error, trace)
        self.spellings.__exit__(kind, error, trace)

    def append(self, found: Words, keep: NDArray[np.bool_], max_length: int | None) -> None:
        """Append the words of some rows, as ``distinct_words`` returned them."""
        words, rows = found
        kept_rows = kept(rows if max_length is None else cut(rows, max_length), keep)
        new = [word for word in words if word not in self.numbers]
        self.numbers.update(
            zip(new, range(len(self.numbers), len(self.numbers) + len(new)), strict=True)
        )
        self.spellings.append(self.characters.spell(new))
        numbers = np.asarray([self.numbers[word] for word in words], dtype=np.int32)
        self.forms.append((numbers[kept_rows[0]], kept_rows[1]))

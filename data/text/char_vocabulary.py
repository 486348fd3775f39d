"""Words as they were written, and their characters as ids: what is known of a word that has no id of its own."""

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

MAX_CHARACTERS = (
    30  # longer words are addresses and the like, and one of them pads all others of a batch
)
MIN_WORDS = 2  # a character of one word says no more than the word, and what stands for unknown ones is learnt from them
NOTHING = "\0"  # how an empty word reads: as one unknown character


@dataclass(frozen=True)
class Characters:
    """The characters that have ids, in the order of these, which begin after the special ones."""

    known: str

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Characters":
        """Collect the characters of at least two distinct words of columns of lists of words."""
        words: set[str] = set()
        for column in columns:
            words.update(pc.unique(pc.list_flatten(column)).to_pylist())
        counts = Counter(character for word in words for character in set(word))
        return cls(
            "".join(sorted(c for c, count in counts.items() if count >= MIN_WORDS and c != NOTHING))
        )

    @property
    def size(self) -> int:
        """Ids of characters, special ones included."""
        return len(SPECIAL) + len(self.known)

    def spell(self, words: Sequence[str]) -> Encoded:
        """Ids of the characters of words, end to end, and where each word starts; only the first of a long word."""
        shown = [word[:MAX_CHARACTERS] or NOTHING for word in words]
        offsets = np.cumsum([0, *map(len, shown)], dtype=np.int64)
        codes, known = _codes("".join(shown)), _codes(self.known)
        if not len(known):
            return np.full(len(codes), UNK_ID, dtype=np.int32), offsets
        places = np.searchsorted(known, codes).clip(max=len(known) - 1)
        return np.where(known[places] == codes, places + len(SPECIAL), UNK_ID).astype(
            np.int32
        ), offsets


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def distinct_words(rows: pa.ChunkedArray | pa.Array) -> Words:
    """The distinct words of rows, and the rows as numbers of these; an empty row reads as one empty word."""
    column = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    if pc.min(pc.list_value_length(column)).as_py() == 0:
        column = pa.array([row or [""] for row in column.to_pylist()], pa.list_(pa.string()))
    lengths = pc.list_value_length(column).to_numpy()
    found = column.flatten().dictionary_encode()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return found.dictionary.to_pylist(), (found.indices.to_numpy().astype(np.int32), offsets)


class WordFiles:
    """The words of a split on disk: a number for each token, and how each number is spelled.

    What is held in memory grows with the distinct words, not with the rows.
    """

    def __init__(self, folder: Path, split: str, characters: Characters) -> None:
        self.characters = characters
        self.numbers: dict[str, int] = {}
        self.forms, self.spellings = (
            RaggedFile(folder, f"{split}.forms"),
            RaggedFile(folder, f"{split}.spellings"),
        )

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
        """Write the words of some rows behind the others, as ``distinct_words`` found them."""
        words, rows = found
        kept_rows = kept(rows if max_length is None else cut(rows, max_length), keep)
        new = [word for word in words if word not in self.numbers]
        self.numbers.update(
            zip(new, range(len(self.numbers), len(self.numbers) + len(new)), strict=True)
        )
        self.spellings.append(self.characters.spell(new))
        numbers = np.asarray([self.numbers[word] for word in words], dtype=np.int32)
        self.forms.append((numbers[kept_rows[0]], kept_rows[1]))

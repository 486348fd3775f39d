"""Word vectors of a vocabulary, from a text file as of GloVe or word2vec.

V ids, E numbers of a vector.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import fsspec
import numpy as np
from numpy.typing import NDArray

from data.errors import RowError
from data.text.settings import SPECIAL

# How a word was found: unchanged, or in small letters.
EXACT = 2
LOWERED = 1


@dataclass(frozen=True)
class WordVectors:
    """Vectors (V, E) by id; ``how`` (V,) is EXACT, LOWERED, or 0 for a zero vector."""

    table: NDArray[np.float32]
    how: NDArray[np.int8]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which ids have a vector, (V,)."""
        return self.how > 0

    @property
    def coverage(self) -> str:
        """Describe how many words have a vector, for a log."""
        num = len(self.how) - len(SPECIAL)
        exact = int((self.how == EXACT).sum())
        lowered = int((self.how == LOWERED).sum())
        share = (exact + lowered) / max(1, num)
        return (
            f"{exact + lowered:,} of {num:,} words ({share:.1%}): "
            f"{exact:,} as they are, {lowered:,} in small letters"
        )


@contextmanager
def opened(address: str) -> Iterator[IO[bytes]]:
    """Open a file at any address, compressed or not.

    Raises:
        RowError: If it cannot be read.
    """
    try:
        with fsspec.open(address, "rb", compression="infer") as file:
            yield file
    except (OSError, EOFError, ImportError) as error:
        raise RowError(f"word vectors cannot be read from {address}: {error}") from error


def file_digest(address: str) -> str:
    """Digest the unpacked content of a file.

    Raises:
        RowError: If it cannot be read.
    """
    found = hashlib.sha256()
    with opened(address) as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def file_lines(address: str) -> Iterator[tuple[int, str, list[bytes]]]:
    """Read number, word and E fields of each line, without the counts in line 1 of word2vec.

    Raises:
        RowError: Names a line that is not a word and E fields, E as in the first.
    """
    size = 0
    with opened(address) as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip().count(b" ")
            if number == 1 and fields == 1:
                continue
            size = size or fields
            parts = line.rstrip().rsplit(b" ", size)
            if len(parts) <= size or size == 0:
                raise RowError(
                    f"{address}, line {number}: expected a word and {size or 'some'} numbers, "
                    f"found {shown(line)}"
                )
            yield number, parts[0].decode(errors="replace"), parts[1:]


def file_words(address: str) -> Iterator[str]:
    """Read the words of a file in its order, most often by frequency.

    A word in small letters is also given with a capital and in capitals: most
    files have only small letters, and ``read_vectors`` finds the vector of a
    name that training lacks by them.

    Raises:
        RowError: As ``file_lines``.
    """
    return (form for _, word, _ in file_lines(address) for form in forms(word))


def forms(word: str) -> Iterable[str]:
    """List the spellings of a word in texts, without repeats."""
    if word != word.lower():
        return (word,)
    return dict.fromkeys((word, word.capitalize(), word.upper()))


def read_vectors(address: str, names: Sequence[str]) -> WordVectors:
    """Read the vectors of some words from a text file, line by line.

    A word is looked up unchanged, then in small letters. Of two lines for a
    word the first counts.

    Args:
        address: Where the file lies; it may be compressed.
        names: The word of each id, (V,); special ids never have a vector.

    Raises:
        RowError: If a line is not a word and E numbers, or no word was found.
    """
    exact, lowered = wanted(names)
    table = np.zeros((len(names), 0), dtype=np.float32)
    how = np.zeros(len(names), dtype=np.int8)
    for number, word, fields in file_lines(address):
        if not table.size:
            table = np.zeros((len(names), len(fields)), dtype=np.float32)
        ids = [(i, EXACT) for i in exact.get(word, ())] + [
            (i, LOWERED) for i in lowered.get(word, ())
        ]
        for i, kind in ids:
            if how[i] < kind:
                table[i] = numbers(fields, address, number)
                how[i] = kind
    if not how.any():
        raise RowError(
            f"{address}: none of the {len(names) - len(SPECIAL):,} words has a vector there, "
            f"such as {names[-1]!r}"
        )
    return WordVectors(table, how)


def wanted(names: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Map words to their ids, and words in small letters where these differ."""
    exact = defaultdict[str, list[int]](list)
    lowered = defaultdict[str, list[int]](list)
    for i, name in enumerate(names):
        if i >= len(SPECIAL) and name:
            exact[name].append(i)
            if name.lower() != name:
                lowered[name.lower()].append(i)
    return exact, lowered


def numbers(fields: list[bytes], address: str, line: int) -> NDArray[np.float32]:
    """Parse the numbers of one line.

    Raises:
        RowError: If a field is no finite number.
    """
    try:
        found = np.array(fields, dtype=np.float64).astype(np.float32)
    except ValueError as error:
        raise RowError(
            f"{address}, line {line}: {error}, expected {len(fields)} numbers after a word"
        ) from error
    if not np.isfinite(found).all():
        raise RowError(
            f"{address}, line {line}: expected {len(fields)} finite numbers, "
            f"found {shown(b' '.join(fields))}"
        )
    return found


def shown(line: bytes) -> str:
    """Shorten a line for a message."""
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= 60 else f"{text[:60]}...")

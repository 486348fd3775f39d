"""Word vectors from a text file, of GloVe's or word2vec's kind: only those that a vocabulary asks for.

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

EXACT, LOWERED = 2, 1


@dataclass(frozen=True)
class WordVectors:
    """Vectors (V, E) by id, zeros where ``how`` (V,) is 0; ``how`` says whether a word was found as it is or in small letters."""

    table: NDArray[np.float32]
    how: NDArray[np.int8]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which ids have a vector, (V,)."""
        return self.how > 0

    @property
    def coverage(self) -> str:
        """How many words have one, for a log."""
        num, exact, lowered = (
            len(self.how) - len(SPECIAL),
            *(int((self.how == how).sum()) for how in (EXACT, LOWERED)),
        )
        share = (exact + lowered) / max(1, num)
        return f"{exact + lowered:,} of {num:,} words ({share:.1%}): {exact:,} as they are, {lowered:,} in small letters"


@contextmanager
def opened(address: str) -> Iterator[IO[bytes]]:
    """Open a file of any kind of address, compressed or not.

    Raises:
        RowError: If it cannot be read.
    """
    try:
        with fsspec.open(address, "rb", compression="infer") as file:
            yield file
    except (OSError, EOFError, ImportError) as error:
        raise RowError(f"word vectors cannot be read from {address}: {error}") from error


def file_digest(address: str) -> str:
    """A digest of a file's content, as it is once unpacked.

    Raises:
        RowError: If it cannot be read.
    """
    found = hashlib.sha256()
    with opened(address) as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def file_lines(address: str) -> Iterator[tuple[int, str, list[bytes]]]:
    """The number, the word and the E fields of each line; word2vec's first line, the counts, is passed over.

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
                    f"{address}, line {number}: expected a word and {size or 'some'} numbers, found {shown(line)}"
                )
            yield number, parts[0].decode(errors="replace"), parts[1:]


def file_words(address: str) -> Iterator[str]:
    """The words of a file, in its order, which is most often that of how common they are.

    A word in small letters also with a capital and in capitals: most files have
    no others, and a name that training never saw has its vector by them, as
    ``read_vectors`` finds it.

    Raises:
        RowError: As ``file_lines``.
    """
    return (form for _, word, _ in file_lines(address) for form in forms(word))


def forms(word: str) -> Iterable[str]:
    """A word as texts write it, without repeats."""
    return (
        dict.fromkeys((word, word.capitalize(), word.upper())) if word == word.lower() else (word,)
    )


def read_vectors(address: str, names: Sequence[str]) -> WordVectors:
    """Read the vectors of some words from a text file, line by line.

    A word is looked for as it is, then in small letters. Of words that stand
    there twice the first counts.

    Args:
        address: Where the file lies; it may be compressed.
        names: What each id stands for, (V,); special ids never have a vector.

    Raises:
        RowError: Names the line that is not a word and E numbers, or says that no word was found.
    """
    exact, lowered = wanted(names)
    table, how = np.zeros((len(names), 0), dtype=np.float32), np.zeros(len(names), dtype=np.int8)
    for number, word, fields in file_lines(address):
        if not table.size:
            table = np.zeros((len(names), len(fields)), dtype=np.float32)
        ids = [(i, EXACT) for i in exact.get(word, ())] + [
            (i, LOWERED) for i in lowered.get(word, ())
        ]
        for i, kind in ids:
            if how[i] < kind:
                table[i], how[i] = numbers(fields, address, number), kind
    if not how.any():
        raise RowError(
            f"{address}: none of the {len(names) - len(SPECIAL):,} words has a vector there, such as {names[-1]!r}"
        )
    return WordVectors(table, how)


def wanted(names: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Ids by the word they stand for, and by that word in small letters where these differ."""
    exact, lowered = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for i, name in enumerate(names):
        if i >= len(SPECIAL) and name:
            exact[name].append(i)
            if name.lower() != name:
                lowered[name.lower()].append(i)
    return exact, lowered


def numbers(fields: list[bytes], address: str, line: int) -> NDArray[np.float32]:
    """The numbers of one line.

    Raises:
        RowError: If one is none.
    """
    try:
        found = np.array(fields, dtype=np.float64).astype(np.float32)
    except ValueError as error:
        raise RowError(
            f"{address}, line {line}: {error}, expected {len(fields)} numbers after a word"
        ) from error
    if not np.isfinite(found).all():
        raise RowError(
            f"{address}, line {line}: expected {len(fields)} finite numbers, found {shown(b' '.join(fields))}"
        )
    return found


def shown(line: bytes) -> str:
    """The start of a line, for a message."""
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= 60 else f"{text[:60]}...")

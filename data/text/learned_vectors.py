"""Word vectors learned from texts: how often words stand near each other, in few dimensions.

Origin:
    Levy, Goldberg and Dagan (2015), whose settings these are: positive pointwise mutual
    information with smoothed contexts, factored by a truncated SVD, whose values are weighted by
    their square root. They show that it equals skip-grams with negative sampling on word
    similarity. Halko, Martinsson and Tropp (2011) for the SVD.

V words, E numbers of a vector, N tokens of a block.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import RowError
from data.text.settings import SPECIAL, TokenSettings
from data.text.tokenizer import WHOLE_TOKENS, Tokenizer

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WINDOW = 5  # words on either side; the nearest counts five times, the fifth once
MIN_FREQUENCY = 5  # a rarer word has too few neighbors
MAX_WORDS = 50_000  # the matrix of neighbors of more words does not fit in 2 GB
SMOOTHING = 0.75  # power of a context's frequency, or rare contexts would seem to say most
POWER_ITERATIONS = 3
BLOCK_ROWS = 8192


def learn_vectors(
    kind: str, columns: Iterable[pa.ChunkedArray], settings: TokenSettings
) -> tuple[list[str], NDArray[np.float32]]:
    """Learn vectors of the words of texts.

    Args:
        kind: Kind of tokenizer, one whose tokens are whole words or characters.
        columns: Texts or lists of tokens, all of one type; read more than once.
        settings: How texts become tokens; ``vectors_size`` is E.

    Returns:
        The words, the most frequent first, and their vectors (V, E), whose mean length is 1.

    Raises:
        RowError: If the tokens are no words, or there are too few words.
    """
    if kind not in WHOLE_TOKENS:
        raise RowError(
            f"vectors are learned for {' or '.join(WHOLE_TOKENS)}, and the tokenizer is {kind}: "
            "leave tokens.vectors empty, or name a file"
        )
    if len({pa.types.is_list(column.type) for column in columns}) > 1:
        raise RowError("vectors are learned from texts or from tokens, and the datasets have both")
    vocabulary = replace(settings, min_frequency=MIN_FREQUENCY, vocabulary_size=MAX_WORDS)
    tokenizer = Tokenizer.train(kind, columns, vocabulary)
    words = tokenizer.names[len(SPECIAL) :]
    if len(words) <= settings.vectors_size:
        raise RowError(
            f"only {len(words):,} words stand {MIN_FREQUENCY} times in the training texts, too few "
            f"to learn vectors of {settings.vectors_size} numbers: lower tokens.vectors_size"
        )
    return words, _factored(_association(_neighbors(columns, tokenizer)), settings.vectors_size)


def write_vectors_file(path: Path, words: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write vectors as text, a word and its numbers per line, as GloVe does."""
    with path.open("w", encoding="utf-8") as file:
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{number:.5g}' for number in vector)}\n")


def _neighbors(columns: Iterable[pa.ChunkedArray], tokenizer: Tokenizer) -> "csr_matrix":
    """Count how often each word stands near each other one, (V, V), near ones more."""
    from scipy.sparse import csr_matrix

    num_words = tokenizer.size - len(SPECIAL)
    counts = csr_matrix((num_words, num_words), dtype=np.float32)
    for ids, owners in _blocks(columns, tokenizer):
        lefts, rights, weights = zip(*_pairs(ids, owners), strict=True)
        cells = (np.concatenate(lefts), np.concatenate(rights))
        # Once for a block: each addition copies the whole matrix.
        counts = counts + csr_matrix((np.concatenate(weights), cells), shape=counts.shape)
    return counts + counts.T


def _pairs(
    ids: NDArray[np.int32], owners: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]]:
    """Pair the words of each text at each distance: left, right and weight of each pair."""
    is_word = ids >= 0
    for distance in range(1, WINDOW + 1):
        is_pair = owners[:-distance] == owners[distance:]
        is_pair &= is_word[:-distance] & is_word[distance:]
        left = ids[:-distance][is_pair]
        weights = np.full(len(left), WINDOW + 1 - distance, dtype=np.float32)
        yield left, ids[distance:][is_pair], weights


def _blocks(
    columns: Iterable[pa.ChunkedArray], tokenizer: Tokenizer
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Encode texts: the number of each word, below 0 for an unknown one, and of its text, (N,)."""
    for column in columns:
        for start in range(0, len(column), BLOCK_ROWS):
            rows = column.slice(start, BLOCK_ROWS).to_pylist()
            ids, offsets = tokenizer.encode(rows)
            yield ids - len(SPECIAL), np.repeat(np.arange(len(rows)), np.diff(offsets))


def _association(counts: "csr_matrix") -> "csr_matrix":
    """Turn counts into positive pointwise mutual information, (V, V)."""
    cells = counts.tocoo()
    of_word = np.asarray(counts.sum(axis=1)).ravel()
    of_context = of_word**SMOOTHING
    expected = of_word[cells.row] * of_context[cells.col] / of_context.sum()
    cells.data = np.maximum(np.log(cells.data / expected), 0).astype(np.float32)
    found = cells.tocsr()
    found.eliminate_zeros()
    return found


def _factored(association: "csr_matrix", size: int) -> NDArray[np.float32]:
    """Factor an association matrix into vectors (V, E)."""
    from sklearn.utils.extmath import randomized_svd

    left, strengths, _ = randomized_svd(
        association, n_components=size, n_iter=POWER_ITERATIONS, random_state=0
    )
    vectors = left * np.sqrt(strengths)
    # The random start of an embedding has rows of this length too.
    found: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1).mean()
    return found.astype(np.float32)

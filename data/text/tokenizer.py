"""The texts of one side to ids and back, by a Hugging Face tokenizer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers as hf
from numpy.typing import NDArray

from data.arrays import Encoded, ragged
from data.errors import RowError
from data.text.html import read_html
from data.text.settings import SPECIAL, UNK_ID, Html, TokenSettings, is_tokenizer_file
from data.text.spans import raw_spans
from data.text.train_tokenizer import add_words, train_tokenizer
from data.text.user_tokenizer import Renumbering, read_tokenizer_file

WHOLE_TOKENS = ("words", "characters")  # kinds that give a cut token one id
WORD_START = "▁"  # what pieces of BPE and Unigram have in place of a space
NOTHING = [UNK_ID]  # the ids of an empty text


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of one side of the rows.

    ``html`` sets how markup is read (cut tokens keep it); ``numbers`` brings the
    ids of a user's file into our order; ``num_fixed`` counts the last ids, of
    words from a file of word vectors that no training row has.
    """

    inner: hf.Tokenizer
    is_cut: bool
    html: Html = "keep"
    numbers: Renumbering | None = None
    num_fixed: int = 0

    def __post_init__(self) -> None:
        # A literal <eos> in a text does not end it. The tokenizer's file does not store this.
        self.inner.encode_special_tokens = True

    @classmethod
    def train(
        cls, kind: str, columns: Iterable[pa.ChunkedArray], settings: TokenSettings
    ) -> "Tokenizer":
        """Build a vocabulary from columns of texts or of lists of tokens.

        Args:
            kind: One of ``KINDS``, or the path of a user's tokenizer.json.
            columns: Read one at a time, and more than once by some kinds.
            settings: What steers it.
        """
        is_cut = pa.types.is_list(next(iter(columns)).type)
        html: Html = "keep" if is_cut else settings.html
        if is_tokenizer_file(kind):
            inner = read_tokenizer_file(Path(kind), settings)
            return cls(inner, is_cut, html, Renumbering.of(inner))
        inner = train_tokenizer(kind, lambda: _batches(columns, html), settings, is_cut=is_cut)
        return cls(inner, is_cut, html)

    @property
    def size(self) -> int:
        """Ids in the vocabulary, special ones included."""
        return len(self.numbers.theirs) if self.numbers else self.inner.get_vocab_size()

    @property
    def names(self) -> list[str]:
        """Words or pieces in the order of their ids, without the mark of a word's first piece."""
        by_own = {own: name for name, own in self.inner.get_vocab().items()}
        order = self.numbers.theirs.tolist() if self.numbers else range(self.size)
        return [by_own.get(own, "").removeprefix(WORD_START) for own in order]

    @cached_property
    def words(self) -> frozenset[str]:
        """All words or pieces that have an id, without the special ones."""
        return frozenset(self.inner.get_vocab()) - {*SPECIAL}

    def knows(self, token: str) -> bool:
        """Whether a token, as this tokenizer reads it, has an id of its own."""
        normalizer = self.inner.normalizer
        return (normalizer.normalize_str(token) if normalizer else token) in self.words

    def with_words(self, words: Iterable[str], num: int) -> "Tokenizer":
        """Add at most ``num`` of the words that texts can contain, in their order."""
        inner = add_words(self.inner, words, num, is_cut=self.is_cut)
        return replace(self, inner=inner, num_fixed=inner.get_vocab_size() - self.size)

    def encode(self, texts: Sequence[Any]) -> Encoded:
        """Encode texts or lists of tokens: ids end to end, and where each starts.

        An empty text becomes one unknown id.

        Raises:
            RowError: If a cut token does not get exactly one id, as a user's file may do.
        """
        found = self.inner.encode_batch_fast(
            read_html(self.html, list(texts)), is_pretokenized=self.is_cut, add_special_tokens=False
        )
        encoded = ragged([encoding.ids or NOTHING for encoding in found])
        if self.is_cut:
            _check_counts(encoded, texts)
        return self._ours(encoded[0]), encoded[1]

    def encode_with_offsets(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
        """Encode texts, with the characters of each token.

        Returns:
            Ids end to end, where each text starts, and for each id where its
            characters start and stop in the raw text, spaces at its edges left
            out, (ids, 2). That of an empty text is (0, 0).
        """
        found = self.inner.encode_batch(read_html(self.html, list(texts)), add_special_tokens=False)
        ids, offsets = ragged([encoding.ids or NOTHING for encoding in found])
        pairs = chain.from_iterable(encoding.offsets or [(0, 0)] for encoding in found)
        spans = np.fromiter(chain.from_iterable(pairs), np.int32, 2 * len(ids)).reshape(-1, 2)
        return self._ours(ids), offsets, raw_spans(texts, self.html, (offsets, spans))

    def _ours(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        return self.numbers.ours[ids] if self.numbers else ids

    def decode(self, ids: Sequence[int], copies: Sequence[str] = ()) -> str:
        """Decode ids to text; unknown ids become the copies, in their order, or nothing."""
        known = (
            self.numbers.theirs[np.asarray(ids, dtype=np.int64)].tolist()
            if self.numbers
            else list(ids)
        )
        if not copies:
            return str(self.inner.decode(known))
        waiting = iter(copies)
        tokens = [
            next(waiting) if i == UNK_ID else str(self.inner.id_to_token(own))
            for i, own in zip(ids, known, strict=True)
        ]
        return str(self.inner.decoder.decode(tokens)) if self.inner.decoder else " ".join(tokens)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the tokenizer's file lacks, for JSON."""
        is_renumbered = self.numbers is not None
        return {
            "is_cut": self.is_cut,
            "html": self.html,
            "is_renumbered": is_renumbered,
            "num_fixed": self.num_fixed,
        }

    @classmethod
    def read(cls, path: Path, saved: dict[str, Any]) -> "Tokenizer":
        """Read a saved file, with the fields that ``as_json`` wrote."""
        inner = hf.Tokenizer.from_file(str(path))
        numbers = Renumbering.of(inner) if saved["is_renumbered"] else None
        return cls(inner, saved["is_cut"], saved["html"], numbers, saved["num_fixed"])


def _batches(columns: Iterable[pa.ChunkedArray], html: Html) -> Iterator[list[str]]:
    """Texts, or the tokens of rows, in lists."""
    for column in columns:
        flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
        for start in range(0, len(flat), 8192):
            yield read_html(html, flat.slice(start, 8192).to_pylist())


def _check_counts(encoded: Encoded, rows: Sequence[Sequence[str]]) -> None:
    counts = np.diff(encoded[1])
    wrong = np.flatnonzero(counts != np.maximum([len(row) for row in rows], 1))
    if len(wrong):
        row = rows[wrong[0]]
        raise RowError(
            f"tags need one id for each token, but the tokenizer gives {counts[wrong[0]]} "
            f"for the {len(row)} tokens {row[:8]}"
        )

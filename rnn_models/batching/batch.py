"""Examples to batches: ragged columns, padding, lengths, masks and the order of an epoch.

B sequences, T source steps, U target steps, N examples; F distinct words of a
batch, C characters of a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The same in all vocabularies of text; label sets have no special ids.
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(4)


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths, concatenated: row i is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        """Make a ragged column from lists of ids."""
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        flat = [row_id for row in rows for row_id in row]
        return cls(np.asarray(flat, dtype=np.int32), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of ids of each row, (N,)."""
        return np.diff(self.offsets)

    def lengths_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the ids of some rows, (B,)."""
        return self.offsets[indices + 1] - self.offsets[indices]

    def row(self, index: int) -> list[int]:
        """Return the ids of one row."""
        row: list[int] = self.ids[self.offsets[index] : self.offsets[index + 1]].tolist()
        return row

    def select(self, indices: NDArray[np.int64]) -> "Ragged":
        """Keep some rows, in the order of their indices."""
        parts = [self.ids[self.offsets[i] : self.offsets[i + 1]] for i in indices]
        # The empty slice keeps the type of the ids, also where no row is kept.
        return Ragged(
            np.concatenate([self.ids[:0], *parts]), np.cumsum([0, *map(len, parts)], dtype=np.int64)
        )

    def take(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Gather rows, padded on the right with ``PAD_ID``.

        Returns:
            Ids (B, T) and lengths (B,), both int64; T is the longest row, at least 1. Numbers
            that are no ids are float32.
        """
        starts = self.offsets[indices]
        lengths = self.lengths_of(indices)
        # At least one step: kernels of torch refuse sequences of length 0.
        steps = np.arange(max(1, lengths.max(initial=0)))
        is_real = steps < lengths[:, None]
        is_ids = np.issubdtype(self.ids.dtype, np.integer)
        # One gather for all rows: a Python loop over rows would take most of a step's time.
        padded = np.full(is_real.shape, PAD_ID, dtype=np.int64 if is_ids else np.float32)
        padded[is_real] = self.ids[(starts[:, None] + steps)[is_real]]
        return torch.from_numpy(padded), torch.from_numpy(lengths)


@dataclass(frozen=True)
class Spelled:
    """The distinct words of a batch as characters, shortest first.

    ``characters`` is (F, C) with ``lengths`` (F,); ``indices`` (B, T) is the
    index of each token's word, F at padding.
    """

    characters: Tensor
    lengths: Tensor
    indices: Tensor

    def to(self, device: torch.device) -> "Spelled":
        """Move the tensors to a device."""
        return Spelled(
            *(tensor.to(device) for tensor in (self.characters, self.lengths, self.indices))
        )


@dataclass(frozen=True)
class Words:
    """The spelling of source tokens, for words that no training row has.

    ``forms`` has a number for each source token, ``spellings`` the ids of the
    characters of each number.
    """

    forms: Ragged
    spellings: Ragged

    def take(self, indices: NDArray[np.int64]) -> Spelled:
        """Gather the words of some examples, each distinct one once."""
        forms, lengths = self.forms.take(indices)
        is_real = length_mask(lengths, forms.shape[1])
        distinct, inverse = np.unique(forms[is_real].numpy(), return_inverse=True)
        # Shortest first: the character encoder reads words of similar lengths together.
        order = np.argsort(self.spellings.lengths_of(distinct), kind="stable")
        index_of_token = torch.full(forms.shape, len(distinct))
        index_of_token[is_real] = torch.from_numpy(np.argsort(order)[inverse])
        return Spelled(*self.spellings.take(distinct[order]), index_of_token)


@dataclass(frozen=True)
class Examples:
    """Sources and targets as ids; a label is a target of length 1. ``words`` spell the sources."""

    source: Ragged
    target: Ragged
    words: Words | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The steps that an example takes in a batch: the longer of its two sides, (N,)."""
        return np.maximum(self.source.lengths, self.target.lengths)

    def select(self, indices: NDArray[np.int64]) -> "Examples":
        """Keep some examples, in the order of their indices."""
        words = (
            Words(self.words.forms.select(indices), self.words.spellings) if self.words else None
        )
        return Examples(self.source.select(indices), self.target.select(indices), words)

    def batch(self, indices: NDArray[np.int64]) -> "Batch":
        """Gather some examples into one padded batch."""
        spelled = self.words.take(indices) if self.words else None
        return Batch(*self.source.take(indices), *self.target.take(indices), indices, spelled)


@dataclass(frozen=True)
class Batch:
    """``source`` (B, T) with ``source_lengths`` (B,); ``target`` (B, U) with ``target_lengths``."""

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor
    indices: NDArray[np.int64]
    spelled: Spelled | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def num_tokens(self) -> int:
        """Number of real source tokens, the unit of speeds in tokens per second."""
        return int(self.source_lengths.sum())

    def to(self, device: torch.device) -> "Batch":
        """Move the tensors to a device."""
        source = self.source.to(device)
        source_lengths = self.source_lengths.to(device)
        target = self.target.to(device)
        target_lengths = self.target_lengths.to(device)
        spelled = self.spelled.to(device) if self.spelled else None
        return Batch(source, source_lengths, target, target_lengths, self.indices, spelled)


def length_mask(lengths: Tensor, num_steps: int) -> Tensor:
    """Mark the real tokens: (B,) lengths to a (B, T) mask, True where a token is real."""
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]


def shifted(target: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Shift a padded target into a decoder's input and its target, for teacher forcing.

    Under teacher forcing a decoder reads the reference's token at each step,
    not its own prediction, so all steps of a batch are computed at once.

    Returns:
        ``<bos> y1 .. yU`` and ``y1 .. yU <eos>``, both (B, U + 1).

    Origin:
        Williams and Zipser (1989), teacher forcing.
    """
    start = torch.full_like(target[:, :1], BOS_ID)
    inputs = torch.cat([start, target], dim=1)
    targets = torch.cat([target, torch.full_like(start, PAD_ID)], dim=1)
    # <eos> stands right behind the last real token, which lies elsewhere in each row.
    return inputs, targets.scatter(1, lengths[:, None], EOS_ID)


def cut_by_length(
    lengths: NDArray[np.int64], order: NDArray[np.int64], *, size: int, tokens: int
) -> Iterator[NDArray[np.int64]]:
    """Cut ``order``, sorted by length, into batches of at most ``size`` examples.

    A batch holds at most ``tokens`` tokens with its padding, but always one example.
    """
    start = 0
    while start < len(order):
        # A batch costs its longest row times its rows: padding is computed like real tokens.
        stop = min(start + size, len(order))
        costs = np.maximum.accumulate(lengths[order[start:stop]]) * np.arange(1, stop - start + 1)
        stop = start + max(1, int(np.searchsorted(costs, tokens, side="right")))
        yield order[start:stop]
        start = stop


def epoch_batches(
    examples: Examples, *, size: int, tokens: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Order an epoch: batches of examples of near-equal lengths, in random order.

    A pure function of the lengths, the seed and the epoch, so that a resumed
    training continues with the same batches.
    """
    random = np.random.default_rng((seed, epoch))
    shuffled = random.permutation(len(examples))
    source = examples.source.lengths[shuffled]
    target = examples.target.lengths[shuffled]
    # Near-equal lengths waste little on padding; the batches themselves are in random order, or
    # an epoch would run from short texts to long ones.
    order = shuffled[np.lexsort((target, source))]  # stable: equal lengths stay shuffled
    batches = list(cut_by_length(examples.lengths, order, size=size, tokens=tokens))
    return [batches[i] for i in random.permutation(len(batches))]


def sorted_batches(examples: Examples, *, size: int, tokens: int) -> list[NDArray[np.int64]]:
    """Make batches for evaluation, longest first, so that a memory shortage shows at once."""
    order = np.lexsort((examples.target.lengths, examples.source.lengths))
    return list(cut_by_length(examples.lengths, order, size=size, tokens=tokens))[::-1]

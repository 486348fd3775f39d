"""Texts as parallel streams of windows, through which a language model carries its state.

B streams, W steps of a window, K windows of an epoch, N tokens to predict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, Ragged
from rnn_models.batching.windows import Window

Ints = NDArray[np.int64]
Ids = NDArray[np.int32]  # half the memory: all texts of an epoch are held


@dataclass(frozen=True)
class Streams(Sequence[Window]):
    """The windows of an epoch, each made on access.

    ``inputs`` and ``targets`` (N,) are the inputs and targets of all texts,
    concatenated; ``owner`` (N,) is the text of each token. ``starts`` and
    ``lengths`` (K, B) give each stream's span in a window; ``is_start`` (K, B)
    is True where the state starts from zeros.
    """

    inputs: Ids
    targets: Ids
    owner: Ids
    starts: Ints
    lengths: Ints
    is_start: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        """Make one window, or several for a slice."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        steps = np.arange(max(1, self.lengths[index].max()))
        positions = self.starts[index][:, None] + steps  # (B, W)
        is_real = steps < self.lengths[index][:, None]
        # An index that exists: the value at padding is replaced below.
        positions = np.where(is_real, positions, 0)
        inputs, targets = (
            np.where(is_real, ids[positions], PAD_ID).astype(np.int64)
            for ids in (self.inputs, self.targets)
        )
        # Copies: from_numpy shares memory, and the plan of the epoch is read again after a resume.
        return Window(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            lengths=torch.from_numpy(self.lengths[index].copy()),
            is_start=torch.from_numpy(self.is_start[index].copy()),
            indices=self.owner[positions[:, 0]].astype(np.int64),
        )


def end_to_end(texts: Ragged, order: Ints, *, is_joined: bool) -> tuple[Ids, Ids, Ids]:
    """Concatenate texts into inputs, targets and the number of each step's text, (N,) each.

    A text has the inputs ``<bos> y1 .. yU`` and the targets ``y1 .. yU <eos>``.
    Joined texts are one: only ``<eos>`` stands between them.
    """
    empty = np.zeros(0, dtype=np.int32)
    rows = [texts.ids[texts.offsets[i] : texts.offsets[i + 1]] for i in order]
    targets = np.concatenate([empty, *(np.append(row, EOS_ID) for row in rows)]).astype(np.int32)
    lengths = texts.lengths[order] + 1
    firsts = np.cumsum(lengths) - lengths
    # Each input is the target of the step before; the first of a text, another text's <eos>, is
    # replaced.
    inputs = np.roll(targets, 1)
    inputs[firsts[:1] if is_joined else firsts] = BOS_ID
    return inputs, targets, np.repeat(order, lengths).astype(np.int32)


def spans_of(
    start: int, stop: int, breaks: Ints, *, window: int, first: int
) -> Iterator[tuple[int, int, bool]]:
    """Cut the span of one stream at each break and, between two, after each ``window`` steps.

    Args:
        start: First step of the stream.
        stop: The step after its last.
        breaks: Steps at which a text begins.
        window: Steps of a window, at most.
        first: Steps of the first window, at most.

    Yields:
        Start, length, and whether the state starts from zeros.
    """
    edges = [start, *(int(b) for b in breaks if start < b < stop), stop]
    for begin, end in pairwise(edges):
        position = begin
        while position < end:
            length = min(first if position == start else window, end - position)
            yield position, length, position == begin
            position += length


def stream_windows(
    texts: Ragged, *, size: int, window: int, seed: int, epoch: int, is_joined: bool = False
) -> Streams:
    """Cut texts into ``size`` streams of equal length, and these into windows.

    Each token is predicted exactly once. The order is a pure function of the
    lengths, the seed and the epoch: separate texts are shuffled, and the first
    window of each stream is shorter by up to a half, so that every epoch cuts
    the gradient at other tokens.

    Args:
        texts: Target texts without special ids, at least one.
        size: Parallel streams, B; fewer if there are fewer tokens.
        window: Steps between two cuts, at least 1.
        seed: Seed of the order.
        epoch: Number of the epoch, which changes the order.
        is_joined: Whether the texts are one continuous text; if not, the state
            starts from zeros with each.
    """
    random = np.random.default_rng((seed, epoch))
    order = np.arange(len(texts)) if is_joined else random.permutation(len(texts))
    inputs, targets, owner = end_to_end(texts, order, is_joined=is_joined)
    # A gradient never crosses a cut. With the same cuts in every epoch some pairs of tokens would
    # never learn from each other.
    first = int(random.integers((window + 1) // 2, window + 1))
    breaks = np.zeros(0, dtype=np.int64) if is_joined else np.flatnonzero(inputs == BOS_ID)
    # Streams of equal length, whatever texts they cut: none ends long before the others.
    edges = np.linspace(0, len(targets), min(size, len(targets)) + 1).astype(np.int64)
    streams = [
        list(
            spans_of(
                a, b, breaks[slice(*np.searchsorted(breaks, (a, b)))], window=window, first=first
            )
        )
        for a, b in pairwise(edges.tolist())
    ]
    # (3, K, B): streams with fewer windows end in windows of length 0.
    table = np.zeros((3, max(map(len, streams)), len(streams)), dtype=np.int64)
    for b, stream in enumerate(streams):
        table[:, : len(stream), b] = np.asarray(stream, dtype=np.int64).T
    return Streams(inputs, targets, owner, table[0], table[1], table[2].astype(bool))

"""Texts as parallel streams of windows, so that a state is carried through them from start to end.

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
    """The windows of an epoch, each made when it is asked for.

    ``read`` and ``said`` (N,) are all texts end to end, ``owner`` (N,) says
    which text a token is of. ``starts`` and ``lengths`` (K, B) say where each
    stream's stretch lies; ``is_start`` (K, B) where its state starts anew.
    """

    read: Ids
    said: Ids
    owner: Ids
    starts: Ints
    lengths: Ints
    is_start: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, place: int) -> Window: ...
    @overload
    def __getitem__(self, place: slice) -> list[Window]: ...
    def __getitem__(self, place: int | slice) -> Window | list[Window]:
        """One window; some with a slice."""
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        steps = np.arange(max(1, self.lengths[place].max()))
        at = self.starts[place][:, None] + steps  # (B, W)
        is_real = steps < self.lengths[place][:, None]
        at = np.where(is_real, at, 0)
        read, said = (
            np.where(is_real, ids[at], PAD_ID).astype(np.int64) for ids in (self.read, self.said)
        )
        return Window(
            read=torch.from_numpy(read),
            said=torch.from_numpy(said),
            lengths=torch.from_numpy(self.lengths[place].copy()),
            is_start=torch.from_numpy(self.is_start[place].copy()),
            indices=self.owner[at[:, 0]].astype(np.int64),
        )


def end_to_end(texts: Ragged, order: Ints, *, is_joined: bool) -> tuple[Ids, Ids, Ids]:
    """Say what is read, what is said and of which text each step is, (N,) each.

    A text reads ``<bos> y1 .. yU`` and says ``y1 .. yU <eos>``. Joined texts are
    one: ``<eos>`` and no ``<bos>`` stands between them.
    """
    empty = np.zeros(0, dtype=np.int32)
    rows = [texts.ids[texts.offsets[i] : texts.offsets[i + 1]] for i in order]
    said = np.concatenate([empty, *(np.append(row, EOS_ID) for row in rows)]).astype(np.int32)
    lengths = texts.lengths[order] + 1
    firsts = np.cumsum(lengths) - lengths
    read = np.roll(said, 1)
    read[firsts[:1] if is_joined else firsts] = BOS_ID
    return read, said, np.repeat(order, lengths).astype(np.int32)


def pieces(
    start: int, stop: int, breaks: Ints, *, window: int, first: int
) -> Iterator[tuple[int, int, bool]]:
    """Cut the stretch of one stream at each break and, between two, after each ``window`` steps.

    Args:
        start: First step of the stream.
        stop: The step after its last.
        breaks: Steps at which a text begins.
        window: Steps of a piece, at most.
        first: Steps of the first piece, at most.

    Yields:
        Start, length, and whether the state starts anew.
    """
    edges = [start, *(int(b) for b in breaks if start < b < stop), stop]
    for begin, end in pairwise(edges):
        at = begin
        while at < end:
            length = min(first if at == start else window, end - at)
            yield at, length, at == begin
            at += length


def stream_windows(
    texts: Ragged, *, size: int, window: int, seed: int, epoch: int, is_joined: bool = False
) -> Streams:
    """Cut texts into ``size`` streams of equal length, and these into windows.

    Each token is predicted exactly once. The order is a pure function of the
    lengths, the seed and the epoch: separate texts are shuffled, and the first
    window of each stream is up to half as short, so that cuts fall elsewhere
    in every epoch.

    Args:
        texts: What is to be said, without special ids, at least one text.
        size: Streams side by side, B; fewer if there are fewer tokens.
        window: Steps between two cuts, at least 1.
        seed: Of the order.
        epoch: Of the order.
        is_joined: Whether the texts are one that goes on; if not, the state
            starts anew with each.
    """
    random = np.random.default_rng((seed, epoch))
    order = np.arange(len(texts)) if is_joined else random.permutation(len(texts))
    read, said, owner = end_to_end(texts, order, is_joined=is_joined)
    first = int(random.integers((window + 1) // 2, window + 1))
    breaks = np.zeros(0, dtype=np.int64) if is_joined else np.flatnonzero(read == BOS_ID)
    edges = np.linspace(0, len(said), min(size, len(said)) + 1).astype(np.int64)
    streams = [
        list(
            pieces(
                a, b, breaks[slice(*np.searchsorted(breaks, (a, b)))], window=window, first=first
            )
        )
        for a, b in pairwise(edges.tolist())
    ]
    table = np.zeros((3, max(map(len, streams)), len(streams)), dtype=np.int64)
    for b, stream in enumerate(streams):
        table[:, : len(stream), b] = np.asarray(stream, dtype=np.int64).T
    return Streams(read, said, owner, table[0], table[1], table[2].astype(bool))

"""How well the last few tokens foretell the next: what a generator has to beat.

N texts, T tokens of all of them with their ends, V ids.
"""

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, Examples, Ragged
from rnn_models.batching.lm_streams import end_to_end

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NEVER_SAID = (PAD_ID, BOS_ID)


def ngram_nats(train: Examples, test: Examples, *, order: int) -> list[NDArray[np.float32]]:
    """The nats of each token of each test text and of its end, by the ``order - 1`` tokens before it.

    Before a text stands ``<bos>``. The estimate after a context is mixed with
    the one after a shorter context, the more so the more kinds of tokens have
    followed it; below the shortest, all ids are alike.

    Returns:
        An array of U + 1 nats for each of N texts of U tokens.

    Origin:
        Witten and Bell (1991), method C, interpolated as in Chen and Goodman
        (1999), section 2.6.
    """
    num_ids = 1 + max(int(column.ids.max(initial=EOS_ID)) for column in (train.target, test.target))
    sides = [_said_and_before(side.target, order) for side in (train, test)]
    said, before = (np.concatenate(parts, axis=-1) for parts in zip(*sides, strict=True))
    is_train = np.arange(len(said)) < len(sides[0][0])
    probability = np.full(len(said), 1 / (num_ids - len(NEVER_SAID)))
    context = np.zeros(
        len(said), dtype=np.int64
    )  # contexts by number, so that no key outgrows 64 bits
    for length in range(order):
        if length:
            context = _numbered(context * num_ids + before[length - 1])
        probability = _mixed(said, context, num_ids, is_train, probability)
    ends = np.cumsum(test.target.lengths + 1)[:-1]
    return np.split(-np.log(probability[~is_train]).astype(np.float32), ends)


def num_ngrams(train: Examples, *, order: int) -> int:
    """How many distinct stretches of up to ``order`` tokens stand in the training texts: what the estimate counts."""
    said, before = _said_and_before(train.target, order)
    num_ids = 1 + int(said.max(initial=BOS_ID))
    stretch = _numbered(said)
    total = 0
    for length in range(order):
        if length:
            stretch = _numbered(stretch * num_ids + before[length - 1])
        total += len(np.unique(stretch))
    return total


def _said_and_before(texts: Ragged, order: int) -> tuple[Ints, Ints]:
    """What is said, (T,), and the tokens before it, nearest first, (order - 1, T); ``<bos>`` where there are none."""
    read, said, _ = end_to_end(texts, np.arange(len(texts)), is_joined=False)
    lengths = texts.lengths + 1
    place = np.arange(len(said)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    before = np.full((order - 1, len(said)), BOS_ID, dtype=np.int64)
    for back in range(order - 1):
        steps = np.flatnonzero(place >= back)
        before[back, steps] = read[steps - back]
    return said.astype(np.int64), before


def _numbered(keys: Ints) -> Ints:
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def _mixed(
    said: Ints, context: Ints, num_ids: int, is_train: NDArray[np.bool_], shorter: Floats
) -> Floats:
    """The probability of each token after its context, mixed with that after a shorter one, (T,)."""
    pair = _numbered(context * num_ids + said)
    num_contexts = int(context.max()) + 1
    num_pairs = int(pair.max()) + 1
    seen = np.bincount(pair[is_train], minlength=num_pairs)
    times = np.bincount(context[is_train], minlength=num_contexts)
    of_pair = np.zeros(num_pairs, dtype=np.int64)
    of_pair[pair] = context
    kinds = np.bincount(of_pair[seen > 0], minlength=num_contexts)
    all_of = kinds[context]
    known = times[context] + kinds[context]
    mixed = (seen[pair] + all_of * shorter) / np.maximum(known, 1)
    return np.where(known > 0, mixed, shorter)

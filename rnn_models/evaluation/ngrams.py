"""N-gram language models: what a recurrent generator must beat.

N texts, T tokens of all of them with their ends, V ids.
"""

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, Examples, Ragged
from rnn_models.batching.lm_streams import end_to_end

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOT_TARGETS = (PAD_ID, BOS_ID)


def ngram_negative_log_likelihoods(
    train: Examples, test: Examples, *, order: int
) -> list[NDArray[np.float32]]:
    """Compute the negative log-likelihood of each token of each test text and of its end.

    Each is conditioned on the ``order - 1`` tokens before it; ``<bos>`` stands
    before a text. The estimate after a context is interpolated with the one
    after a shorter context, with more weight where more kinds of tokens have
    followed it; below the shortest, all ids are equally likely.

    Returns:
        An array of U + 1 values in nats for each of N texts of U tokens.

    Origin:
        Witten and Bell (1991), method C, interpolated as in Chen and Goodman
        (1999), section 2.6.
    """
    # Train and test together, so that contexts and pairs of both have the same numbers.
    num_ids = 1 + max(int(column.ids.max(initial=EOS_ID)) for column in (train.target, test.target))
    sides = [_targets_and_before(side.target, order) for side in (train, test)]
    targets, before = (np.concatenate(parts, axis=-1) for parts in zip(*sides, strict=True))
    is_train = np.arange(len(targets)) < len(sides[0][0])
    # Order 0: every id that can be a target is equally likely.
    probability = np.full(len(targets), 1 / (num_ids - len(NOT_TARGETS)))
    # Contexts by number, so that no key outgrows 64 bits
    context = np.zeros(len(targets), dtype=np.int64)
    for length in range(order):
        if length:
            context = _numbered(context * num_ids + before[length - 1])
        probability = _mixed(targets, context, num_ids, is_train, probability)
    ends = np.cumsum(test.target.lengths + 1)[:-1]
    return np.split(-np.log(probability[~is_train]).astype(np.float32), ends)


def num_ngrams(train: Examples, *, order: int) -> int:
    """Count the distinct n-grams of up to ``order`` tokens in the training texts."""
    targets, before = _targets_and_before(train.target, order)
    num_ids = 1 + int(targets.max(initial=BOS_ID))
    stretch = _numbered(targets)
    total = 0
    for length in range(order):
        if length:
            stretch = _numbered(stretch * num_ids + before[length - 1])
        total += len(np.unique(stretch))
    return total


def _targets_and_before(texts: Ragged, order: int) -> tuple[Ints, Ints]:
    """Return the targets, (T,), and the tokens before them, (order - 1, T), nearest first.

    Where there are none stands ``<bos>``.
    """
    inputs, targets, _ = end_to_end(texts, np.arange(len(texts)), is_joined=False)
    lengths = texts.lengths + 1
    position = np.arange(len(targets)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    before = np.full((order - 1, len(targets)), BOS_ID, dtype=np.int64)
    for back in range(order - 1):
        steps = np.flatnonzero(position >= back)
        before[back, steps] = inputs[steps - back]
    return targets.astype(np.int64), before


def _numbered(keys: Ints) -> Ints:
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def _mixed(
    targets: Ints, context: Ints, num_ids: int, is_train: NDArray[np.bool_], shorter: Floats
) -> Floats:
    """Interpolate each token's probability after its context with ``shorter``, (T,).

    A context seen n times with k kinds of tokens leaves k / (n + k) to ``shorter``.
    """
    pair = _numbered(context * num_ids + targets)
    num_contexts = int(context.max()) + 1
    num_pairs = int(pair.max()) + 1
    seen = np.bincount(pair[is_train], minlength=num_pairs)
    times = np.bincount(context[is_train], minlength=num_contexts)
    of_pair = np.zeros(num_pairs, dtype=np.int64)
    of_pair[pair] = context
    # Kinds of tokens after a context are the distinct pairs that training has of it.
    kinds = np.bincount(of_pair[seen > 0], minlength=num_contexts)
    all_of = kinds[context]
    known = times[context] + kinds[context]
    mixed = (seen[pair] + all_of * shorter) / np.maximum(known, 1)
    # A context that training never saw has no counts: the shorter one decides alone.
    return np.where(known > 0, mixed, shorter)

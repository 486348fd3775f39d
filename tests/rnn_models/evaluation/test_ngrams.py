"""Tokens predicted from those before them, compared with counts by hand."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import BOS_ID, EOS_ID, UNK_ID, Examples, Ragged
from rnn_models.evaluation.baselines import NGRAMS, find_baseline
from rnn_models.evaluation.ngrams import ngram_negative_log_likelihoods

columns = st.lists(st.lists(st.integers(4, 7), max_size=6), min_size=1, max_size=5)


def texts(rows):
    return Examples(Ragged.of([[]] * len(rows)), Ragged.of(rows))


def histories(rows, order):
    """Each token with its context, ``<bos>`` before a text and ``<eos>`` behind it."""
    for row in rows:
        padded = [*[BOS_ID] * (order - 1), *row, EOS_ID]
        for i in range(order - 1, len(padded)):
            yield tuple(padded[i - order + 1 : i]), padded[i]


def by_hand(train, context, token, num_ids):
    """Witten and Bell's estimate, written out as a recursion over ever shorter contexts."""
    if context is None:
        return 1 / (num_ids - 2)  # all but <pad> and <bos>, which are never predicted
    followers = Counter(
        target for before, target in histories(train, len(context) + 1) if before == context
    )
    shorter = by_hand(train, context[1:] if context else None, token, num_ids)
    kinds = len(followers)
    times = followers.total()
    return (followers[token] + kinds * shorter) / (times + kinds) if times else shorter


@given(columns, columns, st.integers(1, 4))
def test_token_costs_equal_counts_by_hand(train, test, order):
    num_ids = 1 + max([EOS_ID, *(i for rows in (train, test) for row in rows for i in row)])
    found = ngram_negative_log_likelihoods(texts(train), texts(test), order=order)
    assert [len(costs) for costs in found] == [len(row) + 1 for row in test]
    expected = [
        -math.log(by_hand(train, before, target, num_ids))
        for before, target in histories(test, order)
    ]
    assert np.concatenate(found) == pytest.approx(expected, rel=1e-5)


@given(columns, st.lists(st.integers(4, 7), max_size=4), st.integers(1, 4))
def test_next_token_probabilities_sum_to_one(train, beginning, order):
    every = [[*beginning, i] for i in (UNK_ID, 4, 5, 6, 7)]
    found = ngram_negative_log_likelihoods(
        texts(train), texts([*every, beginning]), order=order
    )  # the last is followed by its end
    assert sum(math.exp(-float(costs[len(beginning)])) for costs in found) == pytest.approx(
        1, rel=1e-5
    )


def test_longer_contexts_predict_a_regular_text_better():
    rows = [[4, 5, 5, 6] * 8] * 20
    costs = [
        np.mean(np.concatenate(find_baseline(name).predict(texts(rows), texts(rows[:2]))))
        for name in NGRAMS
    ]
    assert costs[0] > 2 * costs[1] > 4 * costs[2]


def test_large_vocabulary_does_not_overflow_ngram_keys():
    random = np.random.default_rng(0)
    rows = [random.integers(4, 2_000_000, 40).tolist() for _ in range(5)]
    found = ngram_negative_log_likelihoods(texts(rows), texts(rows[:1]), order=5)[0]
    assert found[1:-1].max() < 3  # what followed once before is likelier than not by far

"""Pairs of neighbouring tokens, one pair at a time."""

from dataclasses import replace

import pytest
import torch

from rnn_models.layers.bigram_embedding import NUM_BUCKETS, PairEmbedding
from rnn_models.training.loop import fit

NUM_IDS = 6_000  # as many characters as a Chinese corpus has


@pytest.fixture
def pairs():
    torch.manual_seed(3)
    embedding = PairEmbedding(NUM_IDS, 4)
    torch.nn.init.normal_(embedding.table.weight)
    return embedding


def test_pair_has_one_vector_at_any_position_and_the_last_token_pairs_with_padding(pairs):
    found = pairs(torch.tensor([[7, 8, 9, 7, 8], [9, 7, 8, 0, 0]]))
    assert torch.equal(found[0, 0], found[0, 3])
    assert torch.equal(found[0, 2], found[1, 0])
    assert torch.equal(found[0, 4], found[1, 2])


def test_pair_vectors_depend_on_order_and_both_tokens(pairs):
    embedded = [pairs(torch.tensor([pair]))[0, 0] for pair in ([7, 8], [8, 7], [7, 9], [5, 8])]
    assert all(not torch.equal(a, b) for i, a in enumerate(embedded) for b in embedded[:i])


def test_pairs_of_a_large_vocabulary_rarely_share_a_vector(pairs):
    ids = torch.randint(4, NUM_IDS, (1, 20_001), generator=torch.Generator().manual_seed(1))
    buckets = torch.remainder(ids[:, :-1] * NUM_IDS + ids[:, 1:], NUM_BUCKETS).unique()
    assert pairs(ids).shape == (1, 20_001, 4)
    assert len(buckets) > 0.9 * NUM_BUCKETS * (
        1 - (1 - 1 / NUM_BUCKETS) ** 20_000
    )  # as many as by chance


def test_unseen_pair_has_a_zero_vector():
    assert not PairEmbedding(NUM_IDS, 4)(torch.tensor([[7, 8]])).any()


def test_tagger_learns_pair_vectors(ner):
    settings = replace(ner.settings, pair_size=6)
    history = fit(ner.problem, ner.examples, ner.examples, ner.sizes, settings)
    assert history.weights["pairs.table.weight"].any()


def test_pair_vectors_are_not_used_with_spellings(spelled_ner):
    assert spelled_ner.model(pair_size=6).pairs is None

"""Attention against loops over one query and one key at a time."""

import torch

from rnn_models.attention import Attention

B, U, T, QUERY, KEY, OUT = 2, 3, 4, 5, 6, 7
MASK = torch.tensor([[True, True, True, True], [True, True, False, False]])


def attend(queries=None, keys=None):
    torch.manual_seed(1)
    module, *drawn = Attention(QUERY, KEY, OUT), torch.randn(B, U, QUERY), torch.randn(B, T, KEY)
    queries, keys = (drawn[0] if queries is None else queries), (drawn[1] if keys is None else keys)
    return module, queries, keys, *module(queries, keys, MASK)


def test_attention_says_a_state_and_a_row_of_probabilities_for_each_query():
    *_, states, probabilities = attend()
    assert (states.shape, probabilities.shape) == ((B, U, OUT), (B, U, T))


def test_attention_equals_its_equations():
    module, queries, keys, states, probabilities = attend()
    for b in range(B):
        real = keys[b][MASK[b]]
        for u in range(U):
            query = queries[b, u]
            weights = torch.exp(torch.stack([key @ (module.query.weight @ query) for key in real]))
            weights = weights / weights.sum()
            context = sum(w * key for w, key in zip(weights, real, strict=True))
            state = torch.tanh(module.combine.weight @ torch.cat([context, query]))
            torch.testing.assert_close(probabilities[b, u, : len(real)], weights, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(states[b, u], state, rtol=1e-5, atol=1e-6)


def test_no_probability_falls_on_padding():
    *_, probabilities = attend()
    assert not probabilities.masked_select(~MASK[:, None]).any()


def test_what_stands_at_padding_changes_no_state():
    _, _, keys, states, _ = attend()
    *_, other, _ = attend(keys=torch.where(MASK[:, :, None], keys, torch.full_like(keys, 1e4)))
    assert torch.equal(states, other)

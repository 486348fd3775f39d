"""Attention against loops over one query and one key at a time."""

import pytest
import torch

from rnn_models.layers.attention import Attention

B = 2
U = 3
T = 4
QUERY = 5
KEY = 10
OUT = 7
MASK = torch.tensor([[True, True, True, True], [True, True, False, False]])
SCORINGS = pytest.mark.parametrize("scoring", ["general", "dot", "additive"])


def attend(scoring, states=None):
    torch.manual_seed(1)
    module = Attention(QUERY, KEY, OUT, scoring)
    queries = torch.randn(B, U, QUERY)
    drawn = torch.randn(B, T, KEY)
    states = drawn if states is None else states
    return module, queries, states, *module(queries, module.memory(states, MASK))


def energy(module, query, state):
    """The attention score of a query and one source state, as in its paper."""
    if module.scoring == "general":
        return state @ (module.query.weight @ query)
    if module.scoring == "dot":
        return state[:QUERY] @ query + state[QUERY:] @ query
    return module.energy.weight[0] @ torch.tanh(
        module.query.weight @ query + module.key.weight @ state + module.key.bias
    )


@SCORINGS
def test_attention_returns_a_state_and_probabilities_per_query(scoring):
    *_, states, probabilities = attend(scoring)
    assert (states.shape, probabilities.shape) == ((B, U, OUT), (B, U, T))


@SCORINGS
def test_attention_equals_its_equations(scoring):
    module, queries, sources, states, probabilities = attend(scoring)
    for b in range(B):
        real = sources[b][MASK[b]]
        for u in range(U):
            query = queries[b, u]
            weights = torch.exp(torch.stack([energy(module, query, state) for state in real]))
            weights = weights / weights.sum()
            context = sum(w * state for w, state in zip(weights, real, strict=True))
            state = torch.tanh(module.combine.weight @ torch.cat([context, query]))
            torch.testing.assert_close(
                probabilities[b, u, : len(real)], weights, rtol=1e-5, atol=1e-6
            )
            torch.testing.assert_close(states[b, u], state, rtol=1e-5, atol=1e-6)


@SCORINGS
def test_padding_has_zero_probability(scoring):
    *_, probabilities = attend(scoring)
    assert not probabilities.masked_select(~MASK[:, None]).any()


@SCORINGS
def test_values_at_padding_do_not_change_states(scoring):
    _, _, sources, states, _ = attend(scoring)
    *_, other, _ = attend(
        scoring, torch.where(MASK[:, :, None], sources, torch.full_like(sources, 1e4))
    )
    assert torch.equal(states, other)


def test_memory_of_selected_rows_equals_that_of_their_sources():
    module, queries, sources, states, _ = attend("general")
    rows = torch.tensor([1, 1, 0])
    found, _ = module(queries[rows], module.memory(sources, MASK).rows(rows))
    torch.testing.assert_close(found, states[rows])


def test_dot_attention_raises_for_different_sizes():
    with pytest.raises(
        ValueError, match="attention dot needs source states of 4 or a multiple of it, got 6"
    ):
        Attention(4, 6, 3, "dot")

"""The classifier: its pooling, and the equation of its logits."""

import pytest
import torch

from rnn_models.layers.pooled_encoder import AttentionPooling
from tests.rnn_models.layers.test_encoder import STEPS, encoded_by_steps

B = 3
T = 5
H = 4


@pytest.fixture
def pooling():
    torch.manual_seed(1)
    return AttentionPooling(H)


def test_attention_pooling_follows_its_equations(pooling):
    states = torch.randn(B, T, H)
    lengths = [5, 2, 1]
    found = pooling(states, torch.arange(T) < torch.tensor(lengths)[:, None])
    for i, length in enumerate(lengths):
        energies = [
            pooling.query.weight[0] @ torch.tanh(pooling.key.weight @ h + pooling.key.bias)
            for h in states[i, :length]
        ]
        total = sum(energy.exp() for energy in energies)
        expected = sum(
            energy.exp() / total * h for energy, h in zip(energies, states[i], strict=False)
        )
        torch.testing.assert_close(found[i], expected, rtol=1e-5, atol=1e-6)


def test_attention_pooling_ignores_padding_even_when_it_is_nan(pooling):
    states = torch.randn(B, T, H)
    mask = torch.tensor([[True] * 2 + [False] * 3] * B)
    spoilt = states.masked_fill(~mask[:, :, None], float("nan"))
    assert torch.equal(pooling(spoilt, mask), pooling(states, mask))


@pytest.mark.parametrize(("kind", "activation"), STEPS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_label_logits_follow_the_output_equation_on_the_last_hidden_states(
    sentiment, kind, activation, bidirectional
):
    """O_T = H_T W_hq + b_q, with H_T the last states of the directions side by side."""
    model = sentiment.model(
        pooling="last", encoder=kind, activation=activation, bidirectional=bidirectional
    )
    batch = sentiment.batch()
    hidden = sentiment.settings.hidden_size
    logits = model(batch.source, batch.source_lengths)
    for i, length in enumerate(batch.source_lengths.tolist()):
        states = encoded_by_steps(
            model.encoder, model.embedding.table.weight[batch.source[i, :length]], kind, activation
        )
        last = torch.cat([states[-1, :hidden], states[0, hidden:]])
        expected = last @ model.project.weight.mT + model.project.bias
        torch.testing.assert_close(logits[i], expected, rtol=1e-4, atol=1e-5)

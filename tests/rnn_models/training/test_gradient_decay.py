"""The decay of a gradient through time, against the backward recursion written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_models.outputs.label import LABEL
from rnn_models.problem import Loss
from rnn_models.settings import TrainSettings
from rnn_models.training.gradient_decay import gradient_decay, mean_by_distance
from rnn_models.training.training_state import Training
from tests.rnn_models.layers.test_encoder import STEPS
from tests.rnn_models.tiny_language_model import PROBLEM, SETTINGS, SIZES, cut, texts
from tests.rnn_models.training.test_loop import fitted

KINDS = pytest.mark.parametrize(("encoder", "activation"), STEPS)


def decay_by_hand(model, source, lengths, target, kind, activation):
    """Norms of dL/dh_t by distance from the end, one sequence at a time, by explicit cells."""
    step, num_states = STEPS[kind, activation]
    found = []
    for row, length, label in zip(source, lengths.tolist(), target[:, 0], strict=True):
        states_of = {}
        last = []
        for way, cell in (
            ("forward", model.encoder.forwards[0]),
            ("backward", model.encoder.backwards[0]),
        ):
            ids = row[:length] if way == "forward" else row[:length].flip(0)
            bx = cell.bias_ih_l0
            bh = cell.bias_hh_l0
            w = {
                "xi": cell.weight_ih_l0.mT,
                "hi": cell.weight_hh_l0.mT,
                "bx": bx,
                "bh": bh,
                "bi": bx + bh,
            }
            state = (torch.zeros(1, cell.hidden_size),) * num_states
            hidden = []
            for x in model.embedding.table.weight[ids]:
                state = step(x[None], state, w)
                hidden.append(state[0])
            states_of[way] = hidden
            last = [*last, state[0]]
        logits = model.project(torch.cat(last, dim=1))
        loss = torch.nn.functional.cross_entropy(logits, label[None])
        found.append(
            {
                way: [
                    float(g.norm()) for g in torch.autograd.grad(loss, hidden, retain_graph=True)
                ][::-1]
                for way, hidden in states_of.items()
            }
        )
    longest = int(lengths.max())
    return {
        f"layer 1 {way}": [
            np.mean([f[way][d] for f in found if len(f[way]) > d]) for d in range(longest)
        ]
        for way in ("forward", "backward")
    }


@KINDS
def test_gradient_decay_equals_the_explicit_recursion(sentiment, encoder, activation):
    model = sentiment.model(pooling="last", encoder=encoder, activation=activation)
    batch = sentiment.batch()
    found = gradient_decay(sentiment.problem, model, batch)
    expected = decay_by_hand(
        model, batch.source, batch.source_lengths, batch.target, encoder, activation
    )
    assert found.keys() == expected.keys()
    for name, norms in expected.items():
        assert found[name] == pytest.approx(norms, rel=1e-4, abs=1e-7)


def test_gradient_decay_covers_every_layer_and_direction(posed_answer):
    found = gradient_decay(
        posed_answer.problem, posed_answer.model(num_layers=2), posed_answer.batch()
    )
    assert list(found) == [
        f"layer {layer} {way}" for layer in (1, 2) for way in ("forward", "backward")
    ]
    assert {len(norms) for norms in found.values()} == {
        int(posed_answer.batch().source_lengths.max())
    }
    one_way = gradient_decay(
        posed_answer.problem, posed_answer.model(bidirectional=False), posed_answer.batch()
    )
    assert list(one_way) == ["layer 1 forward"]


def test_encoder_without_recurrence_has_no_gradient_decay(posed_answer):
    assert (
        gradient_decay(
            posed_answer.problem, posed_answer.model(encoder="cnn"), posed_answer.batch()
        )
        == {}
    )


def test_gradient_decay_changes_neither_model_nor_generator(posed):
    model = posed.model().train()
    batch = posed.batch()
    before = torch.random.get_rng_state()
    gradient_decay(posed.problem, model, batch)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_gradient_decay_is_zero_beyond_a_window(sentiment):
    model = sentiment.model(pooling="last", bidirectional=False, bptt_window=3)
    norms = gradient_decay(sentiment.problem, model, sentiment.batch([1]))["layer 1 forward"]
    length = int(sentiment.batch([1]).source_lengths[0])
    reached = 1 + (length - 1) % 3
    assert all(norm > 0 for norm in norms[:reached])
    assert not any(norms[reached:])


def test_gradient_decay_works_within_a_window():
    training = Training(PROBLEM, SIZES, SETTINGS)
    found = gradient_decay(PROBLEM, training.model, cut(texts(40), SETTINGS, 1)[1])
    assert [len(norms) for norms in found.values()] == [SETTINGS.bptt_window]


def test_gradient_decay_averages_over_sequences_of_that_length():
    norms = torch.tensor([[1.0, 2.0, 3.0], [5.0, 9.0, 9.0]])
    assert mean_by_distance(norms, torch.tensor([3, 1])) == [4.0, 2.0, 1.0]


def test_each_epoch_records_its_gradient_decay_unless_measuring_is_off(posed):
    assert all(epoch.gradient_decay for epoch in fitted(posed, max_epochs=2).epochs)
    assert not any(
        epoch.gradient_decay for epoch in fitted(posed, max_epochs=2, measure_every=0).epochs
    )


def test_gradient_vanishes_in_a_plain_rnn_and_not_in_an_lstm():
    """The gradient of a plain RNN vanishes over fifty steps, that of an LSTM does not."""
    decays = {}
    for encoder in ("rnn", "lstm"):
        settings = TrainSettings(
            encoder=encoder, hidden_size=16, embedding_size=8, bidirectional=False, dropout=0.0
        )
        training = Training(PROBLEM, SIZES, settings)
        with torch.no_grad():
            cell = training.model.encoder.forwards[0]
            cell.weight_hh_l0.mul_(0.5)
            if encoder == "lstm":
                cell.bias_ih_l0[16:32] = 5.0  # the forget gate open
        batch = texts(50).batch(np.asarray([0]))
        batch = replace(batch, source=batch.target, source_lengths=batch.target_lengths)

        def at_the_end(model, batch):
            nats = model(batch.target, ())[0][:, -1].square().sum()
            return Loss(nats, 1, nats.detach())

        found = gradient_decay(
            replace(PROBLEM, loss=at_the_end, output=LABEL), training.model, batch
        )["layer 1 forward"]
        decays[encoder] = found[-1] / found[0]
    assert decays["rnn"] < 1e-10
    assert decays["lstm"] > 1e-4

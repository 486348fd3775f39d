"""Truncated BPTT in the loop: one update per window, the state carried between them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from rnn_models.batching.batch import Ragged
from rnn_models.problem import Windows
from rnn_models.training.loop import fit
from rnn_models.training.training_state import Training
from rnn_models.training.validation import mean_loss
from tests.rnn_models.layers.test_encoder import EVERY_CELL
from tests.rnn_models.tiny_language_model import (
    PROBLEM,
    SETTINGS,
    SIZES,
    cut,
    make_model,
    texts,
    window_loss,
)
from tests.rnn_models.training.test_loop import KilledError, are_equal, losses_and_scores


def fitted(examples, problem=PROBLEM, *, resume=None, on_step=lambda step: None, **changes):
    return fit(
        problem,
        examples,
        examples,
        SIZES,
        SETTINGS.with_changes(changes),
        resume=resume,
        on_step=on_step,
    )


@EVERY_CELL
def test_each_window_is_an_update_and_an_epoch_predicts_each_token_once(kind, activation):
    examples = texts(30, 7, 1)
    seen = []

    def watched(model, window, state):
        if model.training:
            seen.append(window)
        return window_loss(model, window, state)

    problem = replace(PROBLEM, windows=Windows(cut=cut, loss=watched))
    history = fitted(examples, problem, encoder=kind, activation=activation, max_epochs=1)
    assert len(history.steps) == len(seen)
    assert sum(window.num_tokens for window in seen) == 30 + 7 + 1 + 3


def test_window_starts_with_the_final_state_of_the_previous_one():
    examples = texts(40)
    states = []

    def watched(model, window, state):
        found, after = window_loss(model, window, state)
        states.append((state, tuple(s.detach() for s in after)))
        return found, after

    problem = replace(PROBLEM, windows=Windows(cut=cut, loss=watched))
    training = Training(problem, SIZES, SETTINGS)
    for window in cut(examples, SETTINGS, 1):
        training.train_step([window], epoch=1, num_steps=99)
    assert states[0][0] == ()
    for (_, left), (found, _) in pairwise(states):
        assert all(torch.equal(a, b) for a, b in zip(left, found, strict=True))
        assert not any(s.requires_grad for s in found)


@EVERY_CELL
def test_loss_in_windows_equals_that_of_the_whole_text(kind, activation):
    examples = texts(23, 9, 14)
    model = make_model(encoder=kind, activation=activation)
    expected = mean_loss(PROBLEM, model, examples, replace(SETTINGS, bptt_window=0))
    for window in (1, 5, 99):
        found = mean_loss(
            PROBLEM, model, examples, replace(SETTINGS, bptt_window=window, batch_size=1)
        )
        assert found == pytest.approx(expected, rel=1e-5)


@EVERY_CELL
def test_text_within_one_window_gives_the_gradients_of_full_bptt(kind, activation):
    examples = texts(17)
    found = []
    for window in (0, 99):
        settings = replace(
            SETTINGS, encoder=kind, activation=activation, bptt_window=window, batch_size=1
        )
        training = Training(PROBLEM, SIZES, settings)
        made_by = cut(examples, settings, 1)[0] if window else examples.batch(np.asarray([0]))
        training.train_step([made_by], epoch=1, num_steps=9)
        found.append([p.grad for p in training.parameters])
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_training_in_windows_is_bit_reproducible(encoder):
    first, second = (
        fitted(texts(50, 20), encoder=encoder, dropout=0.2, recurrent_dropout=0.2) for _ in range(2)
    )
    assert losses_and_scores(first) == losses_and_scores(second)
    assert are_equal(first.weights, second.weights)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_carried_state_is_restored_after_a_kill(encoder, tmp_path):
    examples = texts(50, 20)
    seen = []

    def kill_every_third(step):
        seen.append(step)
        if len(seen) % 3 == 0:
            raise KilledError

    def resume_parts():
        while True:
            try:
                return fitted(
                    examples,
                    encoder=encoder,
                    resume=tmp_path / "state.safetensors",
                    on_step=kill_every_third,
                    save_steps=1,
                )
            except KilledError:
                continue

    parts = resume_parts()
    uninterrupted = fitted(examples, encoder=encoder)
    assert len(uninterrupted.steps) < len(seen) < 2 * len(uninterrupted.steps)
    assert losses_and_scores(parts) == losses_and_scores(uninterrupted)
    assert are_equal(parts.weights, uninterrupted.weights)


def test_model_with_carried_state_predicts_beyond_its_window():
    """Every sixth id of a text differs: a window of 4 may contain none of them."""
    examples = replace(texts(1), target=Ragged.of([[4, 4, 4, 4, 4, 5] * 60]))
    keen = {
        "learning_rate": 0.02,
        "max_epochs": 15,
        "patience": 15,
        "hidden_size": 16,
        "batch_size": 2,
    }
    carrying = fitted(examples, **keen).best.validation_loss

    def forgetful(model, window, state):
        return window_loss(model, window, ())

    forgetting = fitted(
        examples, replace(PROBLEM, windows=Windows(cut=cut, loss=forgetful)), **keen
    ).best.validation_loss
    assert carrying < 0.5 * forgetting


def test_nonfinite_step_carries_no_state():
    training = Training(PROBLEM, SIZES, SETTINGS)
    windows = cut(texts(40), SETTINGS, 1)
    training.train_step([windows[0]], epoch=1, num_steps=9)
    assert training.carried
    with torch.no_grad():
        training.model.project.bias[4] = float("nan")
    training.train_step([windows[1]], epoch=1, num_steps=9)
    assert training.carried == ()

"""Limits and lost machines: a training ends in good order, and goes on as if nothing had been."""

import math

import pytest
from safetensors.torch import load_file

from rnn_models.training import loop as training_module
from tests.rnn_models.training.test_loop import (
    KilledError,
    are_equal,
    fitted,
    go_on_until_done,
    losses_and_scores,
)

WAYS = {
    "plain": {},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "adam": {"optimizer": "adam", "schedule": "inverse_square_root"},
    "average of epochs": {"average_epochs": 2},
    "average of steps": {"average_steps": 5},
    "adaptive clip": {"clipping": "adaptive", "clip_percentile": 50.0},
    "accumulated": {"accumulate": 2},
    "by metric": {"stop_on": "metric"},
    "limited": {"max_steps": 10},
}


@pytest.fixture
def saved_at_each_step(monkeypatch):
    monkeypatch.setattr(training_module, "SAVE_EVERY_SECONDS", -1.0)


@pytest.mark.usefixtures("saved_at_each_step")
@pytest.mark.parametrize("changes", WAYS.values(), ids=list(WAYS))
def test_a_training_killed_at_any_step_ends_as_one_that_was_not(posed_larger, changes, tmp_path):
    seen = []

    def kill_every_third(step):
        seen.append(step.step)
        if len(seen) % 3 == 0:
            raise KilledError

    uninterrupted = fitted(posed_larger, resume=tmp_path / "uninterrupted.safetensors", **changes)
    parts, kills = go_on_until_done(
        posed_larger, tmp_path / "parts.safetensors", on_step=kill_every_third, **changes
    )
    assert kills > 2
    assert (
        len(seen) <= len(uninterrupted.steps) + kills
    )  # of each kill one step is made again, no epoch
    assert losses_and_scores(parts) == losses_and_scores(uninterrupted)
    assert are_equal(parts.weights, uninterrupted.weights)
    assert are_equal(
        *(load_file(tmp_path / f"{name}.safetensors") for name in ("uninterrupted", "parts"))
    )


def test_a_limit_of_steps_ends_a_training_within_an_epoch_in_good_order(posed_larger):
    free = fitted(posed_larger, schedule="constant")
    num = len(free.steps) // 2
    history = fitted(posed_larger, schedule="constant", max_steps=num)
    assert (len(history.steps), history.ended) == (num, "max_steps")
    assert losses_and_scores(history)[0] == losses_and_scores(free)[0][:num]
    assert [epoch.is_whole for epoch in history.epochs] == [True, False]
    assert history.epochs[-1].last_step == num - 1
    assert math.isfinite(history.epochs[-1].validation_loss)
    assert history.weights


def test_a_limit_that_falls_on_the_end_of_an_epoch_leaves_no_part(posed_larger):
    per_epoch = len(fitted(posed_larger, max_epochs=1).steps)
    history = fitted(posed_larger, max_steps=2 * per_epoch)
    assert [epoch.is_whole for epoch in history.epochs] == [True, True]
    assert history.ended == "max_steps"


def test_a_limit_of_minutes_ends_a_training_after_its_first_step_at_the_earliest(posed_larger):
    history = fitted(posed_larger, max_minutes=1e-9)
    assert (len(history.steps), len(history.epochs), history.ended) == (1, 1, "max_minutes")


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, "max_epochs"),
        ({"learning_rate": 0.0, "patience": 1}, "patience"),
        ({"max_steps": 1}, "max_steps"),
    ],
)
def test_a_history_says_which_setting_ended_the_training(sentiment, changes, ended):
    assert fitted(sentiment, **changes).ended == ended


@pytest.mark.parametrize("changes", [{"average_epochs": 2}, {"average_steps": 3}, {}])
def test_a_training_gone_on_after_its_limit_ends_as_one_without(posed_larger, changes, tmp_path):
    path = tmp_path / "state.safetensors"
    options = {"schedule": "constant", **changes}
    limited = fitted(posed_larger, resume=path, max_steps=10, **options)
    assert not limited.epochs[-1].is_whole
    gone_on = fitted(posed_larger, resume=path, **options)
    uninterrupted = fitted(posed_larger, **options)
    assert losses_and_scores(gone_on) == losses_and_scores(uninterrupted)
    assert are_equal(gone_on.weights, uninterrupted.weights)


def test_a_limited_training_started_again_comes_to_the_same_end(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    first, second = (fitted(posed_larger, resume=path, max_steps=10) for _ in range(2))
    assert losses_and_scores(second) == losses_and_scores(first)
    assert are_equal(second.weights, first.weights)


def test_a_cosine_ends_where_the_steps_end(posed_larger):
    rates = [
        step.learning_rate for step in fitted(posed_larger, schedule="cosine", max_steps=10).steps
    ]
    assert rates[-1] < 0.1 * max(rates)


def test_what_is_told_elsewhere_is_written_before_a_training_is_saved(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    seen = []
    fitted(posed_larger, resume=path, on_save=lambda: seen.append(path.exists()), max_epochs=2)
    assert seen == [False, True]

"""Limits and kills: a training ends with a validation, and resumes as if uninterrupted."""

import logging
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from rnn_models.settings import TrainSettings
from rnn_models.training.resume import remove_states, state_before
from rnn_models.training.saving import Saving
from rnn_models.training.training_state import Training
from tests.rnn_models.training.test_loop import (
    KilledError,
    are_equal,
    fitted,
    losses_and_scores,
    resume_until_done,
    uninterrupted,
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


@pytest.mark.parametrize("changes", WAYS.values(), ids=list(WAYS))
def test_training_killed_at_any_step_equals_an_uninterrupted_one(posed_larger, changes, tmp_path):
    seen = []

    def kill_every_third(step):
        seen.append(step.step)
        if len(seen) % 3 == 0:
            raise KilledError

    whole = fitted(posed_larger, resume=tmp_path / "uninterrupted.safetensors", **changes)
    parts, kills = resume_until_done(
        posed_larger,
        tmp_path / "parts.safetensors",
        on_step=kill_every_third,
        save_steps=1,
        **changes,
    )
    assert kills > 2
    assert len(seen) <= len(whole.steps) + kills  # of each kill one step is made again, no epoch
    assert losses_and_scores(parts) == losses_and_scores(whole)
    assert are_equal(parts.weights, whole.weights)
    assert are_equal(
        *(load_file(tmp_path / f"{name}.safetensors") for name in ("uninterrupted", "parts"))
    )


def test_step_limit_ends_a_training_within_an_epoch_with_a_validation(posed_larger):
    free = uninterrupted(posed_larger.problem.name, schedule="constant")
    num = len(free.steps) // 2
    history = fitted(posed_larger, schedule="constant", max_steps=num)
    assert (len(history.steps), history.ended) == (num, "max_steps")
    assert losses_and_scores(history)[0] == losses_and_scores(free)[0][:num]
    assert [epoch.is_whole for epoch in history.epochs] == [True, False]
    assert history.epochs[-1].last_step == num - 1
    assert math.isfinite(history.epochs[-1].validation_loss)
    assert history.weights


def test_step_limit_at_an_epoch_end_adds_no_partial_epoch(posed_larger):
    per_epoch = len(fitted(posed_larger, max_epochs=1).steps)
    history = fitted(posed_larger, max_steps=2 * per_epoch)
    assert [epoch.is_whole for epoch in history.epochs] == [True, True]
    assert history.ended == "max_steps"


def test_time_limit_ends_a_training_after_at_least_one_step(posed_larger):
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
def test_history_names_the_setting_that_ended_the_training(sentiment, changes, ended):
    assert fitted(sentiment, **changes).ended == ended


@pytest.mark.parametrize("changes", [{"average_epochs": 2}, {"average_steps": 3}, {}])
def test_training_resumed_after_its_limit_equals_one_without_limit(posed_larger, changes, tmp_path):
    path = tmp_path / "state.safetensors"
    options = {"schedule": "constant", **changes}
    limited = fitted(posed_larger, resume=path, max_steps=10, **options)
    assert not limited.epochs[-1].is_whole
    gone_on = fitted(posed_larger, resume=path, **options)
    whole = uninterrupted(posed_larger.problem.name, **options)
    assert losses_and_scores(gone_on) == losses_and_scores(whole)
    assert are_equal(gone_on.weights, whole.weights)


def test_restarted_limited_training_gives_the_same_result(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    first, second = (fitted(posed_larger, resume=path, max_steps=10) for _ in range(2))
    assert losses_and_scores(second) == losses_and_scores(first)
    assert are_equal(second.weights, first.weights)


def test_cosine_schedule_ends_at_the_step_limit(posed_larger):
    rates = [
        step.learning_rate for step in fitted(posed_larger, schedule="cosine", max_steps=10).steps
    ]
    assert rates[-1] < 0.1 * max(rates)


def test_on_save_is_called_before_the_state_is_written(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    seen = []
    fitted(posed_larger, resume=path, on_save=lambda: seen.append(path.exists()), max_epochs=2)
    assert seen == [False, True]


@pytest.mark.parametrize("interval", [1, 2, 5])
def test_kill_loses_at_most_one_interval_of_steps(posed_larger, interval, tmp_path):
    seen = []

    def kill_every_seventh(step):
        seen.append(step.step)
        if len(seen) % 7 == 0:
            raise KilledError

    path = tmp_path / "state.safetensors"
    history, kills = resume_until_done(
        posed_larger, path, on_step=kill_every_seventh, save_steps=interval
    )
    assert kills > 1
    assert len(seen) <= len(history.steps) + interval * kills
    assert are_equal(history.weights, uninterrupted(posed_larger.problem.name).weights)


def test_save_interval_in_seconds_applies_within_an_epoch(posed_larger, tmp_path):
    saved = []
    options = {"resume": tmp_path / "state.safetensors", "on_save": lambda: saved.append(1)}
    fitted(posed_larger, max_epochs=1, save_seconds=1e9, **options)
    assert len(saved) == 1
    fitted(posed_larger, max_epochs=2, save_seconds=0.0, **options)
    assert len(saved) > 2


def test_timed_saves_wait_a_hundred_times_their_duration(posed_larger):
    saving = Saving(None, posed_larger.settings.with_changes({"save_seconds": 0.0}), lambda: None)
    saving.cost_seconds = 1e9
    saved = []
    saving.save = saved.append
    training = Training(posed_larger.problem, posed_larger.sizes, posed_larger.settings)
    saving.save_if_due(training)
    saving.save_epoch(training, is_last=False)
    assert not saved
    saving.save_epoch(training, is_last=True)
    assert saved == [training]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def swap(path):
    save_file({"now.weight": torch.ones(1)}, path)


@pytest.mark.parametrize("damage", [truncate, flip, empty, swap])
@pytest.mark.parametrize("damaged", ["newest", "both"])
def test_damaged_state_counts_as_missing(posed_larger, damage, damaged, tmp_path, caplog):
    path = tmp_path / "state.safetensors"
    options = {"resume": path, "schedule": "constant"}
    fitted(posed_larger, max_epochs=2, **options)
    for each in (path, state_before(path))[: 1 + (damaged == "both")]:
        damage(each)
    with caplog.at_level(logging.WARNING):
        steps = []
        gone_on = fitted(posed_larger, on_step=steps.append, **options)
    assert f"{path} is damaged" in caplog.text
    whole = uninterrupted(posed_larger.problem.name, schedule="constant")
    assert len(steps) == len(whole.steps) * (3 if damaged == "both" else 2) // 3
    assert are_equal(gone_on.weights, whole.weights)


def test_crash_between_the_two_renames_keeps_the_previous_state(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    fitted(posed_larger, resume=path, max_epochs=2)
    path.replace(state_before(path))
    steps = []
    fitted(posed_larger, resume=path, on_step=steps.append)
    assert len({step.epoch for step in steps}) == 1


def test_finished_training_leaves_no_state(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    fitted(posed_larger, resume=path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "state-before.safetensors",
        "state.safetensors",
    ]
    remove_states(path)
    assert not list(tmp_path.iterdir())


def test_nonfinite_weights_are_never_saved(posed_larger, tmp_path):
    path = tmp_path / "state.safetensors"
    fitted(posed_larger, resume=path, max_epochs=1)
    before = path.read_bytes()
    training = Training(posed_larger.problem, posed_larger.sizes, posed_larger.settings)
    with torch.no_grad():
        training.parameters[0].view(-1)[0] = math.inf
    with pytest.raises(FloatingPointError, match=r"not a number.*Lower learning_rate"):
        Saving(path, posed_larger.settings, lambda: None).save(training)
    assert path.read_bytes() == before


def test_save_interval_does_not_change_the_settings_digest():
    often = TrainSettings(save_steps=3, save_seconds=1.0)
    assert often.of_weights == TrainSettings().of_weights
    assert TrainSettings(seed=2).of_weights != TrainSettings().of_weights

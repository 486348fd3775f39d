"""The training loop: learning, bit-identical repetition, and stopping."""

import hashlib
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rnn_models.checkpoints.checkpoint import load_weights, weights_of
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import Loss, problem_names
from rnn_models.settings import Activation, Encoder
from rnn_models.training.history import Epoch, TrainingHistory, stalls
from rnn_models.training.loop import fit
from rnn_models.training.optimizer import learning_rate
from rnn_models.training.training_state import MAX_NON_FINITE, Training
from rnn_models.training.validation import mean_loss
from tests.rnn_models.conftest import pose

ROOT = Path(__file__).resolve().parents[3]
KEEN = {
    "embedding_size": 16,
    "hidden_size": 24,
    "dropout": 0.0,
    "token_dropout": 0.0,
    "label_dropout": 0.0,
    "label_smoothing": 0.0,
    "temperature": 0.0,
    "max_epochs": 80,
    "patience": 80,
    "batch_size": 8,
    "learning_rate": 0.03,
    "warmup_steps": 5,
    "measure_every": 0,  # measuring takes longer than such small steps
}


class KilledError(Exception):
    """Simulates a killed process."""


def fitted(posed, problem=None, **options):
    """Train on a posed problem's examples, validated on themselves."""
    changes = {k: options.pop(k) for k in list(options) if hasattr(posed.settings, k)}
    settings = posed.settings.with_changes(changes)
    return fit(
        problem or posed.problem, posed.examples, posed.examples, posed.sizes, settings, **options
    )


@cache
def uninterrupted(problem, **changes):
    """Train on twenty rows, once for all tests that compare with it."""
    return fitted(pose(problem, num=20), **changes)


def losses_and_scores(history):
    """All numbers of a history but the times."""
    steps = [replace(step, tokens_per_second=0.0) for step in history.steps]
    return steps, [replace(epoch, seconds=0.0) for epoch in history.epochs], history.ended


def are_equal(one, two):
    """Whether tensors by name are equal to the last bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("encoder", get_args(Encoder))
def test_tiny_model_memorizes_eight_rows(posed, encoder):
    # A convolution has no sense of where in a text it is, and takes longer over a translation read
    # backwards.
    keen = KEEN | {"encoder": encoder, "max_epochs": 100 if encoder == "cnn" else 56}
    model = posed.problem.build(posed.sizes, posed.settings.with_changes(keen))
    load_weights(model, fitted(posed, **keen).weights)
    predictions, targets = posed.predictions_and_targets(model)
    if posed.is_number:
        targets = pytest.approx(np.asarray(targets), abs=0.1)
        predictions = np.asarray(predictions)
    assert predictions == targets


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("encoder", get_args(Encoder))
def test_equal_seeds_give_bit_identical_trainings(posed_larger, encoder, activation):
    options = {
        "encoder": encoder,
        "activation": activation,
        "recurrent_dropout": 0.1,
        "max_epochs": 2,
    }
    first = fitted(posed_larger, **options)
    torch.rand(7)  # the state of the global generator must not matter
    second = fitted(posed_larger, **options)
    assert losses_and_scores(first) == losses_and_scores(second)
    assert are_equal(first.weights, second.weights)


def test_different_seeds_give_different_weights(posed):
    assert not are_equal(
        fitted(posed, max_epochs=1).weights, fitted(posed, max_epochs=1, seed=8).weights
    )


def weights_of_all():
    """A digest of the weights of a training of each problem."""
    found = []
    for name in problem_names():
        weights = fitted(pose(name, num=20), max_epochs=1).weights
        content = b"".join(w.numpy().tobytes() for w in weights.values())
        found.append(hashlib.sha256(content).hexdigest())
    return found


WEIGHTS_OF_ALL = """
from tests.rnn_models.training.test_loop import weights_of_all
print(*weights_of_all())
"""


def test_another_process_gives_the_same_weights():
    """Results do not depend on Python's hash order, which is random per process."""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    output = subprocess.run(
        [sys.executable, "-c", WEIGHTS_OF_ALL],
        env=os.environ | {"PYTHONHASHSEED": seed},
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert output.split() == weights_of_all()
    assert len(output.split()) == len(problem_names())


def test_training_does_not_change_the_global_generator(sentiment):
    before = torch.random.get_rng_state()
    fitted(sentiment, max_epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def resume_until_done(posed, path, **options):
    """Train, start again each time it is killed, and count the kills."""
    for kills in range(1000):
        try:
            return fitted(posed, resume=path, **options), kills
        except KilledError:
            continue
    raise AssertionError("the training never came to an end")


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_training_killed_after_each_epoch_equals_an_uninterrupted_one(
    posed_larger, schedule, tmp_path
):
    def kill(_):
        raise KilledError

    whole = fitted(posed_larger, schedule=schedule, resume=tmp_path / "uninterrupted.safetensors")
    parts, kills = resume_until_done(
        posed_larger, tmp_path / "parts.safetensors", schedule=schedule, on_epoch=kill
    )
    assert kills == 3
    assert losses_and_scores(parts) == losses_and_scores(whole)
    assert are_equal(parts.weights, whole.weights)
    # The files contain the last weights and the optimizer's state too.
    assert are_equal(
        *(load_file(tmp_path / f"{name}.safetensors") for name in ("uninterrupted", "parts"))
    )


def test_training_killed_within_an_epoch_equals_an_uninterrupted_one(posed_larger, tmp_path):
    left = {2, 9, 11}  # steps at which it is killed, once each; some are of the first epoch

    def kill(step):
        if step.step in left:
            left.remove(step.step)
            raise KilledError

    whole = uninterrupted(posed_larger.problem.name)
    parts, kills = resume_until_done(posed_larger, tmp_path / "parts.safetensors", on_step=kill)
    assert kills == 3
    assert losses_and_scores(parts) == losses_and_scores(whole)
    assert are_equal(parts.weights, whole.weights)


def test_finished_training_is_not_continued(sentiment, tmp_path):
    fitted(sentiment, resume=tmp_path / "state.safetensors")
    epochs = []
    fitted(sentiment, resume=tmp_path / "state.safetensors", on_epoch=epochs.append)
    assert epochs == []


# Got by running this test on torch 2.13.0 (CPU, x86-64, one thread) and copying what it found.
# Without dropout of units, whose generator is another one on other processors.
GOLD = {
    "regression": [1.081946, 1.914605, 0.522923, 2.539408, 0.027541],
    "generation": [2.813961, 2.795076, 2.795649, 2.794207, 2.758990],
    "ner": [1.215000, 1.228711, 1.172769, 1.232883, 1.158709],
    "sentiment": [1.062786, 1.086058, 1.128872, 1.154228, 1.044505],
    "translation": [2.840620, 2.825493, 2.811707, 2.825894, 2.797920],
}


def with_smoothing_shown(problem):
    """The same problem, whose steps report the minimized loss."""

    def loss(model, batch):
        found = problem.loss(model, batch)
        return found._replace(plain=found.nats.detach())

    return replace(problem, loss=loss)


def test_first_five_losses_equal_the_gold_values(posed_larger):
    history = fitted(
        posed_larger, with_smoothing_shown(posed_larger.problem), max_epochs=1, dropout=0.0
    )
    assert [step.loss for step in history.steps[:5]] == pytest.approx(
        GOLD[posed_larger.problem.name], abs=1e-4
    )


@pytest.mark.parametrize(
    ("schedule", "step", "num_stalls", "expected"),
    [
        ("constant", 0, 0, 0.2),  # the first of four steps up and the fifth at the top
        ("constant", 3, 0, 0.8),
        ("constant", 4, 0, 1.0),
        ("constant", 999, 5, 1.0),
        ("plateau", 50, 0, 1.0),
        ("plateau", 50, 3, 0.125),
        ("plateau", 0, 1, 0.1),
        ("cosine", 0, 0, 0.2),
        ("cosine", 4, 0, 1.0),
        ("cosine", 54, 0, 0.505),  # halfway from 4 to 104: the middle of 1 and 0.01
        ("cosine", 29, 0, 0.01 + 0.99 * (0.5 + 0.25 * math.sqrt(2))),
        ("cosine", 104, 0, 0.01),
        ("cosine", 500, 0, 0.01),
        ("inverse_square_root", 0, 0, 0.2),
        ("inverse_square_root", 4, 0, 1.0),
        ("inverse_square_root", 19, 0, 0.5),  # step 20 is four times as late as step 5
        ("inverse_square_root", 499, 0, 0.1),
    ],
)
def test_learning_rate_follows_its_schedule(sentiment, schedule, step, num_stalls, expected):
    settings = sentiment.settings.with_changes(
        {"schedule": schedule, "warmup_steps": 4, "learning_rate": 2.0}
    )
    assert learning_rate(step, 104, num_stalls, settings) == pytest.approx(2 * expected)


def test_cosine_schedule_shorter_than_its_warm_up_only_rises(sentiment):
    settings = sentiment.settings.with_changes({"warmup_steps": 50})
    rates = [learning_rate(step, 10, 0, settings) for step in range(10)]
    assert rates == sorted(rates)
    assert rates[0] > 0


def epochs_of(losses):
    return [Epoch(n, n, 1.0, loss, 0.0, 1.0) for n, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], (0, 0)),
        ([3, 2, 1], (0, 0)),
        ([1, 1, 1], (2, 2)),
        ([3, 4, 2, 5, 2.5], (3, 2)),
        ([3, math.nan, 2], (1, 0)),
    ],
)
def test_stalls_are_counted_in_total_and_in_a_row(losses, expected):
    assert stalls(epochs_of(losses)) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([3, 1, 2], 2), ([1, 1], 1), ([math.nan, 2, 3], 2), ([math.nan] * 2, 1)],
)
def test_best_epoch_has_the_lowest_validation_loss(losses, expected):
    assert TrainingHistory(epochs=epochs_of(losses)).best.epoch == expected


def judged(problem, factors):
    """The same problem, but the validation loss of each epoch is multiplied by the next factor."""
    left = iter(factors)

    def loss(model, batch):
        found = problem.loss(model, batch)
        is_validation = torch.is_inference_mode_enabled()
        return found._replace(nats=found.nats * next(left)) if is_validation else found

    return replace(problem, loss=loss)


def test_plateau_schedule_halves_the_learning_rate_at_every_stall(posed):
    problem = judged(
        posed.problem, [1.0, 100.0, 0.01, 100.0, 0.0001]
    )  # worse, better, worse, better
    options = {
        "schedule": "plateau",
        "warmup_steps": 0,
        "max_epochs": 5,
        "patience": 5,
        "batch_size": 8,
    }
    history = fitted(posed, problem, **options, stop_on="loss")
    assert [step.learning_rate for step in history.steps] == pytest.approx(
        [0.01, 0.01, 0.005, 0.005, 0.0025]
    )


def test_training_without_improvement_stops_after_its_patience(posed):
    history = fitted(posed, learning_rate=0.0, patience=2, max_epochs=9)
    assert len(history.epochs) == 3


def test_training_stops_after_its_epochs(posed):
    assert len(fitted(posed, max_epochs=2).epochs) == 2


def test_kept_weights_are_those_of_the_best_epoch(posed):
    history = fitted(
        posed, judged(posed.problem, [1.0, 100.0, 100.0]), schedule="constant", stop_on="loss"
    )
    assert history.best.epoch == 1
    assert are_equal(history.weights, fitted(posed, schedule="constant", max_epochs=1).weights)


def test_epoch_records_its_steps_and_its_share_of_clipped_ones(posed_larger):
    steps = []
    history = fitted(posed_larger, clip_norm=1.0, on_step=steps.append)
    assert steps == history.steps
    assert [s.step for s in steps] == list(range(len(steps)))
    for epoch in history.epochs:
        own = [s for s in steps if s.epoch == epoch.epoch]
        assert epoch.last_step == own[-1].step
        assert epoch.clipped_share == pytest.approx(
            sum(s.gradient_norm > 1.0 for s in own) / len(own)
        )


def test_mean_loss_does_not_depend_on_batch_size(posed):
    model = posed.model()
    losses = [
        mean_loss(posed.problem, model, posed.examples, replace(posed.settings, batch_tokens=n))
        for n in (1, 999)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_outputs_keep_the_order_of_the_examples(posed):
    model = posed.model()
    ids = posed.problem.output.ids
    outputs = predict_all(posed.problem, model, posed.examples, size=3)
    with torch.inference_mode():
        alone = [
            ids(posed.problem.predict(model, posed.batch([i]))[0])
            for i in range(len(posed.examples))
        ]
    assert np.concatenate(list(map(ids, outputs))) == pytest.approx(np.concatenate(alone), abs=1e-6)


def spoilt(problem, is_spoilt):
    """The same problem, with an infinite loss for every batch that ``is_spoilt`` selects."""
    numbers = iter(range(10**6))

    def loss(model, batch):
        found = problem.loss(model, batch)
        is_now = model.training and is_spoilt(next(numbers))
        return Loss(found.nats * math.inf, found.units, found.plain * math.inf) if is_now else found

    return replace(problem, loss=loss)


@pytest.mark.parametrize(
    ("clipping", "bound"),
    [
        ("norm", "clip_norm (now 5)"),
        ("value", "clip_value (now 1)"),
        ("adaptive", "clip_percentile (now 10)"),
        ("none", "turn clipping on (now none)"),
    ],
)
def test_training_without_finite_gradients_raises_with_the_remedy(posed, clipping, bound):
    with pytest.raises(FloatingPointError) as stop:
        fitted(
            posed,
            spoilt(posed.problem, lambda number: number >= 1),
            max_epochs=9,
            clipping=clipping,
        )
    assert str(stop.value) == (
        f"training stopped at step {MAX_NON_FINITE}: the gradient was not finite "
        f"{MAX_NON_FINITE} times in a row. "
        f"Lower learning_rate (now 0.01) or {bound}, and look at the examples named above."
    )


def test_single_nonfinite_gradients_do_not_stop_a_training(posed_larger):
    spoilt_problem = spoilt(posed_larger.problem, lambda number: number % MAX_NON_FINITE > 0)
    assert len(fitted(posed_larger, spoilt_problem).epochs) == 3


def test_skipped_steps_are_counted_by_epoch(posed_larger):
    history = fitted(posed_larger, spoilt(posed_larger.problem, lambda number: number in (1, 2)))
    assert [epoch.num_skipped for epoch in history.epochs] == [2, 0, 0]
    assert [math.isfinite(step.gradient_norm) for step in history.steps[:4]] == [
        True,
        False,
        False,
        True,
    ]


def test_steps_skipped_in_a_row_are_counted_across_a_kill(posed_larger, tmp_path):
    seen = []

    def kill_at_the_third(step):
        seen.append(step.step)
        if len(seen) == 3:
            raise KilledError

    options = {
        "resume": tmp_path / "state.safetensors",
        "on_step": kill_at_the_third,
        "save_steps": 1,
    }
    with pytest.raises(KilledError):
        fitted(posed_larger, spoilt(posed_larger.problem, lambda number: True), **options)
    with pytest.raises(FloatingPointError, match=f"stopped at step {MAX_NON_FINITE - 1}:"):
        fitted(posed_larger, spoilt(posed_larger.problem, lambda number: True), **options)
    assert seen == [0, 1, 2, 2, 3]


def test_skipped_step_changes_no_weight(posed):
    training = Training(
        spoilt(posed.problem, lambda number: number > 0), posed.sizes, posed.settings
    )
    # The first step leaves momentum that could move a weight.
    training.train_step([posed.batch()], epoch=1, num_steps=9)
    before = weights_of(training.model)
    training.train_step([posed.batch()], epoch=1, num_steps=9)
    assert are_equal(weights_of(training.model), before)


def test_skipped_step_logs_its_examples(sentiment, caplog):
    training = Training(
        spoilt(sentiment.problem, lambda number: True), sentiment.sizes, sentiment.settings
    )
    with caplog.at_level(logging.WARNING, logger="rnn_models.training.training_state"):
        training.train_step([sentiment.batch([6, 2])], epoch=1, num_steps=9)
    assert "step 0 skipped: gradient norm is nan, examples [6, 2]" in caplog.text

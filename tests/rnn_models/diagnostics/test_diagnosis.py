"""Diagnosis of gradients: numbers checked by hand; exploding, vanishing and healthy models."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_models.diagnostics.diagnosis import (
    advice,
    diagnose,
    far_end,
    num_spikes,
    oscillation,
    suggested_norm,
)
from rnn_models.diagnostics.probe import Probe, probe
from rnn_models.settings import TrainSettings
from rnn_models.training.history import TrainingStep
from rnn_models.training.loop import fit
from tests.rnn_models.conftest import pose


def test_falling_loss_has_no_oscillation():
    assert oscillation([5.0 - 0.1 * i for i in range(30)]) == pytest.approx(0)


def test_oscillation_is_the_mean_height_above_the_running_minimum():
    # Above the lowest: 0, 0, 1, 0, 2, of 4 at the start.
    assert oscillation([4.0, 2.0, 3.0, 1.0, 3.0], window=1) == pytest.approx(
        (0 + 0 + 1 + 0 + 2) / 5 / 4
    )


def test_batch_noise_is_no_oscillation_and_a_rise_is():
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    falling = np.linspace(2, 1, 200)
    assert oscillation((falling + noise).tolist()) < 0.03
    assert oscillation((falling[::-1] + noise).tolist()) > 0.3


def test_nonfinite_loss_has_infinite_oscillation():
    assert oscillation([1.0, math.nan, 1.0]) == math.inf


def test_suggested_clip_norm_is_exceeded_by_one_norm_in_ten():
    norms = [*map(float, range(1, 101)), math.inf, math.nan]
    suggested = suggested_norm(norms)
    assert suggested == 90
    assert sum(norm > suggested for norm in norms if math.isfinite(norm)) == 10
    assert suggested_norm([math.nan]) is None


def test_suggested_clip_norm_is_robust_to_one_huge_norm():
    assert suggested_norm([1.0] * 99 + [1e9]) == 1


def test_norm_is_a_spike_relative_to_its_neighborhood():
    assert num_spikes([1.0] * 30 + [11.0] + [1.0] * 30) == 1
    assert num_spikes([100 * 0.9**i for i in range(80)]) == 0
    assert num_spikes([20.0] * 60 + [0.01] * 30 + [1.0]) == 0


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_geometric_decay_gives_its_power_at_the_far_end(factor):
    assert far_end([3 * factor**k for k in range(8)]) == pytest.approx(factor**7)


def test_nonfinite_gradient_has_infinite_growth():
    assert far_end([1.0, math.inf]) == math.inf


def recurrent(scale: float, **changes: object):
    """Sentiment of long texts by a relu RNN with orthogonal recurrent weights times ``scale``."""
    posed = pose("sentiment", num=60, longest=12)

    def build(sizes, settings):
        model = posed.problem.build(sizes, settings)
        with torch.no_grad():
            for cell in [*model.encoder.forwards, *model.encoder.backwards]:
                cell.weight_hh_l0.mul_(scale)
        return model

    settings = TrainSettings(
        encoder="rnn",
        activation="relu",
        pooling="last",
        embedding_size=10,
        hidden_size=12,
        batch_size=4,
        max_epochs=5,
        learning_rate=1e-3,
        clip_norm=1.0,
        dropout=0.0,
    ).with_changes(changes)
    probes = [
        probe(
            replace(posed.problem, build=build),
            posed.examples,
            posed.sizes,
            settings.with_changes(free),
            num_steps=30,
        )
        for free in ({}, {"clipping": "none"})
    ]
    return settings, diagnose(*probes, "norm 1")


def test_large_recurrent_weights_are_diagnosed_as_exploding():
    settings, found = recurrent(4.0)
    assert found.verdict == "explodes"
    assert any("Keep clipping on" in line for line in advice(found, settings))
    assert found.free.largest_norm > 100


def test_small_recurrent_weights_are_diagnosed_as_vanishing():
    settings, found = recurrent(0.2)
    assert found.verdict == "vanishes"
    assert any("lstm or gru" in line for line in advice(found, settings))


def test_healthy_model_is_diagnosed_as_healthy():
    settings, found = recurrent(1.0, activation="tanh", pooling="mean")
    assert found.verdict == "healthy"
    assert found.free.num_not_finite == 0
    assert not any("Keep clipping on" in line for line in advice(found, settings))


def test_nonfinite_gradients_are_diagnosed_without_raising():
    settings, found = recurrent(1e30)
    assert found.verdict == "explodes"
    assert found.free.num_not_finite >= 5
    assert found.free.oscillation == math.inf
    assert any(
        line.startswith("Without clipping the training stopped at step") for line in found.sentences
    )
    assert (
        advice(found, settings)[0]
        == "Lower training.learning_rate (now 0.001): the loss does not come down."
    )


def test_falling_loss_with_swings_is_diagnosed_as_oscillating(sentiment):
    measured = probe(
        sentiment.problem, sentiment.examples, sentiment.sizes, sentiment.settings, num_steps=3
    )
    found = diagnose(measured, measured, "norm 5")
    fallen = replace(found.clipped, first_loss=2.0, last_loss=1.0, oscillation=0.5, fault="")
    assert advice(replace(found, clipped=fallen), sentiment.settings)[0] == (
        "Lower training.learning_rate (now 0.01): with clipping, too, the loss swings "
        "(oscillation 0.5)."
    )
    assert not any(
        "Lower" in line
        for line in advice(
            replace(found, clipped=replace(fallen, oscillation=0.1)), sentiment.settings
        )
    )


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"schedule": "constant"}])
def test_probe_makes_the_same_steps_as_the_training(posed_larger, changes):
    p = posed_larger
    settings = posed_larger.settings.with_changes(changes)
    expected = fit(p.problem, p.examples, p.examples, p.sizes, settings).steps
    probed = probe(p.problem, p.examples, p.sizes, settings, num_steps=10).steps

    def values(step: TrainingStep) -> tuple[object, ...]:
        return (
            step.epoch,
            step.step,
            step.loss,
            step.gradient_norm,
            step.learning_rate,
            step.update_ratio,
        )

    assert [values(step) for step in probed] == [values(step) for step in expected[:10]]
    assert len(probed) > 5


def test_probe_ends_where_the_training_would(sentiment):
    settings = sentiment.settings.with_changes({"max_epochs": 1})
    probed = probe(sentiment.problem, sentiment.examples, sentiment.sizes, settings, num_steps=1000)
    assert len(probed.steps) == 3
    assert (
        probed.decay_before.keys()
        == probed.decay_after.keys()
        == {"layer 1 forward", "layer 1 backward"}
    )
    assert probed.decay_before != probed.decay_after


def test_clipping_that_never_clips_is_reported_as_without_effect(sentiment):
    measured = probe(
        sentiment.problem, sentiment.examples, sentiment.sizes, sentiment.settings, num_steps=3
    )
    found = diagnose(measured, measured, "norm 5")
    assert found.clipped.num_clipped == 0
    assert any("changed no step" in line for line in found.sentences)


def test_model_without_recurrence_has_no_gradient_through_time():
    step = TrainingStep(
        epoch=1,
        step=0,
        loss=1.0,
        gradient_norm=2.0,
        is_clipped=True,
        learning_rate=1.0,
        tokens_per_second=1.0,
    )
    found = diagnose(
        Probe([step]), Probe([replace(step, is_clipped=False, loss=math.inf)]), "norm 1"
    )
    assert found.verdict == "healthy"
    assert any(
        "Loss at the end: 1 with it, not finite without it" in line for line in found.sentences
    )
    assert any("no recurrence" in line for line in found.sentences)
    assert any("1 of 1 steps (100%)" in line for line in found.sentences)

"""Optimizers, averages and accumulated gradients against their equations, step by step."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_models.checkpoints.checkpoint import load_weights, weights_of
from rnn_models.settings import TrainSettings
from rnn_models.training.optimizer import Averaging, UpdateMeter, make_optimizer
from rnn_models.training.training_state import Training
from tests.rnn_models.training.test_loop import are_equal, fitted

RATE = 0.1
DECAY = 0.02


def sgd_by_hand(w, gradients, momentum, nesterov):
    velocity = np.zeros_like(w)
    for number, gradient in enumerate(gradients):
        gradient = gradient + DECAY * w
        velocity = momentum * velocity + gradient if number else gradient
        w = w - RATE * (gradient + momentum * velocity if nesterov else velocity)
    return w


def adam_by_hand(w, gradients, is_decoupled):
    m = np.zeros_like(w)
    v = np.zeros_like(w)
    for number, gradient in enumerate(gradients, 1):
        w = w - RATE * DECAY * w if is_decoupled else w
        gradient = gradient if is_decoupled else gradient + DECAY * w
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        w = w - RATE * (m / (1 - 0.9**number)) / (np.sqrt(v / (1 - 0.999**number)) + 1e-8)
    return w


BY_HAND = {
    "adamw": ({"optimizer": "adamw"}, lambda w, g: adam_by_hand(w, g, True)),
    "adam": ({"optimizer": "adam"}, lambda w, g: adam_by_hand(w, g, False)),
    "sgd": ({"optimizer": "sgd", "momentum": 0.0}, lambda w, g: sgd_by_hand(w, g, 0.0, False)),
    "momentum": (
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": False},
        lambda w, g: sgd_by_hand(w, g, 0.8, False),
    ),
    "nesterov": (
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True},
        lambda w, g: sgd_by_hand(w, g, 0.8, True),
    ),
}


@pytest.mark.parametrize(("changes", "by_hand"), BY_HAND.values(), ids=list(BY_HAND))
def test_optimizer_follows_its_equations(changes, by_hand):
    random = np.random.default_rng(1)
    start = random.normal(size=6)
    gradients = random.normal(size=(5, 6))
    parameter = nn.Parameter(torch.tensor(start))
    optimizer = make_optimizer(
        [parameter], TrainSettings(learning_rate=RATE, weight_decay=DECAY, **changes)
    )
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(
        parameter.detach().numpy(), by_hand(start, gradients), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(("changes", "by_hand"), BY_HAND.values(), ids=list(BY_HAND))
def test_optimizer_handles_a_parameter_whose_first_gradient_is_late(changes, by_hand):
    random = np.random.default_rng(2)
    start = random.normal(size=6)
    gradients = random.normal(size=(5, 6))
    early, late = (nn.Parameter(torch.tensor(start)) for _ in range(2))
    optimizer = make_optimizer(
        [early, late], TrainSettings(learning_rate=RATE, weight_decay=DECAY, **changes)
    )
    for number, gradient in enumerate(gradients):
        early.grad = torch.tensor(gradient)
        late.grad = torch.tensor(gradient) if number >= 2 else None
        optimizer.step()
    np.testing.assert_allclose(
        early.detach().numpy(), by_hand(start, gradients), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        late.detach().numpy(), by_hand(start, gradients[2:]), rtol=1e-9, atol=1e-12
    )


def test_update_ratio_is_norm_of_change_over_norm_of_weights():
    weights = [nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([4.0, 0.0]))]
    meter = UpdateMeter(weights)
    found = []
    for change in (-0.5, 3.0):  # to a length of the square root of 25.25; its memory is used again
        meter.start()
        with torch.no_grad():
            weights[1][1] += change
        found.append(meter.ratio())
    assert found == pytest.approx([0.5 / 5, 3 / 25.25**0.5])


def test_update_measure_equals_the_plain_formula(posed):
    training = Training(
        posed.problem, posed.sizes, posed.settings.with_changes({"measure_every": 1})
    )
    for number in range(3):
        before = torch.cat([p.detach().flatten().double() for p in training.parameters])
        step = training.train_step([posed.batch([0, 1, 2])], epoch=1, num_steps=9)
        training.history.steps.append(step)
        after = torch.cat([p.detach().flatten().double() for p in training.parameters])
        assert step.update_ratio == pytest.approx(
            float((after - before).norm() / before.norm()), rel=1e-5
        ), number


@pytest.mark.parametrize("every", [0, 1, 3])
def test_update_ratio_is_measured_at_the_set_interval(posed_larger, every):
    steps = fitted(posed_larger, measure_every=every, max_epochs=1).steps
    assert [step.update_ratio is not None for step in steps] == [
        every > 0 and step.step % every == 0 for step in steps
    ]
    assert all(step.update_ratio > 0 for step in steps if step.update_ratio is not None)


@pytest.mark.parametrize("every", [0, 1])
def test_measuring_an_update_does_not_change_it(posed, every):
    assert are_equal(fitted(posed, measure_every=every).weights, fitted(posed).weights)


def moved(model, by):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)


def averaged(model, **changes):
    return Averaging(model, TrainSettings(**changes))


def test_weights_of_the_last_epochs_are_averaged():
    model = nn.Linear(2, 3)
    averaging = averaged(model, average_epochs=2)
    seen = []
    for by in (1.0, 5.0, -2.0):
        moved(model, by)
        averaging.add_epoch()
        seen.append(weights_of(model))
    for name, mean in averaging.weights().items():
        torch.testing.assert_close(mean, (seen[1][name] + seen[2][name]) / 2)


def test_moving_average_weighs_first_steps_equally_and_then_decays():
    model = nn.Linear(1, 1, bias=False)
    averaging = averaged(model, average_steps=4)
    expected = 0.0
    for number, value in enumerate([5.0, 1.0, 3.0, 7.0, 2.0, 2.0]):
        nn.init.constant_(model.weight, value)
        averaging.add_step(number)
        expected += (value - expected) * max(1 / 4, 1 / (number + 1))
        assert float(averaging.weights()["weight"]) == pytest.approx(expected, rel=1e-6)
        if number < 4:
            assert expected == pytest.approx(np.mean([5.0, 1.0, 3.0, 7.0][: number + 1]))


def test_average_is_in_the_model_only_while_applied():
    model = nn.Linear(2, 3)
    averaging = averaged(model, average_epochs=2)
    for by in (1.0, 1.0):
        moved(model, by)
        averaging.add_epoch()
    own = weights_of(model)
    with averaging.applied():
        assert are_equal(weights_of(model), averaging.weights())
        assert not are_equal(weights_of(model), own)
    assert are_equal(weights_of(model), own)


@pytest.mark.parametrize("changes", [{"average_epochs": 3}, {"average_steps": 5}])
def test_average_resumes_from_its_saved_state(changes):
    model = nn.Linear(2, 3)
    uninterrupted = averaged(model, **changes)
    for number in range(4):
        moved(model, number)
        uninterrupted.add_step(number)
        uninterrupted.add_epoch()
    restored = averaged(model, **changes)
    restored.restore({name: tensor.clone() for name, tensor in uninterrupted.tensors().items()})
    moved(model, 9.0)
    for averaging in (uninterrupted, restored):
        averaging.add_step(4)
        averaging.add_epoch()
    assert are_equal(restored.weights(), uninterrupted.weights())


@pytest.mark.parametrize("changes", [{"average_epochs": 2}, {"average_steps": 3}])
def test_average_is_validated_and_kept(posed_larger, changes):
    plain = fitted(posed_larger, schedule="constant", max_epochs=2)
    history = fitted(posed_larger, schedule="constant", max_epochs=2, **changes)
    assert [step.loss for step in history.steps] == [
        step.loss for step in plain.steps
    ]  # the training itself is the same
    assert history.epochs[1].validation_loss != plain.epochs[1].validation_loss
    assert not are_equal(history.weights, plain.weights)


def test_two_averaging_methods_at_once_raise():
    with pytest.raises(
        ValueError, match=r"set average_epochs to 1, got 2, or average_steps to 0, got 5"
    ):
        TrainSettings(average_epochs=2, average_steps=5)


def trained(posed, parts):
    settings = posed.settings.with_changes(
        {"dropout": 0.0, "token_dropout": 0.0, "label_dropout": 0.0}
    )
    training = Training(posed.problem, posed.sizes, settings)
    step = training.train_step([posed.batch(part) for part in parts], epoch=1, num_steps=9)
    return step, {name: p.grad for name, p in training.model.named_parameters()}


def test_accumulated_gradients_equal_those_of_one_large_batch(posed):
    single, gradients = trained(posed, [range(8)])
    parts, summed = trained(posed, [[0, 1, 2], [3, 4, 5, 6], [7]])
    assert parts.loss == pytest.approx(single.loss, rel=1e-5)
    assert parts.gradient_norm == pytest.approx(single.gradient_norm, rel=1e-4)
    torch.testing.assert_close(summed, gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("accumulate", "num_updates"), [(1, 8), (2, 4), (3, 3), (8, 1), (99, 1)])
def test_epoch_makes_one_update_per_accumulated_batches(sentiment, accumulate, num_updates):
    history = fitted(sentiment, accumulate=accumulate, batch_size=1, max_epochs=2)
    assert [step.epoch for step in history.steps] == [1] * num_updates + [2] * num_updates


def test_kept_weights_load_into_a_model(posed):
    kept = fitted(posed, average_steps=2, max_epochs=1).weights
    model = posed.model()
    load_weights(model, kept)
    torch.testing.assert_close(dict(model.named_parameters()), kept, rtol=0, atol=0)

"""What the progress of a training says: epoch, loss, score so far, time left."""

from dataclasses import replace

import pytest

from rnn_models.problem import find_problem
from rnn_models.training.history import Epoch, TrainingStep
from tasks.pages import progress
from tasks.pages.progress import TrainingProgress, each


def training(**changes: object) -> TrainingProgress:
    problem = find_problem("sentiment")
    return TrainingProgress(replace(problem.defaults, max_epochs=4, **changes), problem)


def step(number: int, epoch: int = 1) -> TrainingStep:
    return TrainingStep(epoch, number, 0.5, 1.0, False, 0.1, 100.0)


def epoch(number: int, score: float) -> Epoch:
    return Epoch(number, 10 * number - 1, 0.5, 0.4, 0.0, 1.0, 0, score, True)


def test_the_first_epoch_shows_the_loss_and_promises_no_time() -> None:
    found = training()
    found.add_step(step(3))
    assert found.text() == "train, epoch 1 of 4 at most, loss 0.500"


def test_later_the_best_score_and_the_time_left_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = training()
    found.text()
    for number in range(10):
        found.add_step(step(number))
    found.add_epoch(epoch(1, 80.0))
    for number in range(10, 20):
        found.add_step(step(number, 2))
    found.add_epoch(epoch(2, 60.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: found.started + 100)
    assert found.share == 0.5
    text = found.text()
    assert text.startswith("train, epoch 3 of 4 at most, loss 0.500, ")
    assert "80.0" in text
    assert text.endswith(" so far, 2 min left at most")


def test_a_limit_of_steps_counts_as_well() -> None:
    found = training(max_steps=8)
    found.add_step(step(5))
    assert found.share == 0.75


def test_a_hook_of_several_calls_each() -> None:
    seen: list[object] = []
    each(seen.append, seen.append)(1)
    assert seen == [1, 1]

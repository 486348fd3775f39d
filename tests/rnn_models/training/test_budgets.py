"""Budgets of a run: a training ends in good order, or does not begin."""

import itertools

import pytest

from rnn_models.training import budgets
from tests.rnn_models.training.test_loop import fitted, losses_and_scores


def test_minutes_of_the_run_end_a_training_with_a_validation(sentiment):
    clock = itertools.chain([0.0, 10.0, 20.0], itertools.repeat(50.0))
    history = fitted(sentiment, max_run_minutes=1.0, run_seconds=lambda: next(clock))
    assert history.ended == "max_run_minutes"
    assert history.weights
    assert 1 <= len(history.epochs) < sentiment.settings.max_epochs


def test_memory_that_is_given_back_does_not_resume_a_training(sentiment, monkeypatch):
    memory = itertools.chain([1e9, 1e9, 5e9], itertools.repeat(1e9))
    monkeypatch.setattr(budgets, "resident_bytes", lambda: next(memory))
    history = fitted(sentiment, max_memory_gb=4.0)
    assert history.ended == "max_memory_gb"
    assert len(history.epochs) < sentiment.settings.max_epochs


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_memory_gb": 1e-6}, "GB of memory before the first step, training.max_memory_gb is"),
        ({"max_run_minutes": 1e-6}, "the run has taken 2.0 minutes before its training"),
    ],
)
def test_training_without_a_budget_does_not_begin(sentiment, limit, message):
    with pytest.raises(ValueError, match=message):
        fitted(sentiment, run_seconds=lambda: 120.0, **limit)


def test_budget_that_is_not_reached_changes_no_number(sentiment):
    free = fitted(sentiment)
    bounded = fitted(sentiment, max_memory_gb=1e6, max_run_minutes=1e6)
    assert losses_and_scores(free) == losses_and_scores(bounded)

"""Selection of the best epoch: by the loss, or by the problem's first metric."""

import logging
import math

import numpy as np
import pytest
import torch

from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.decoding.predict import predict_all
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem, problem_names
from rnn_models.training import loop as training_module
from rnn_models.training import validation
from rnn_models.training.history import Epoch, TrainingHistory, stalls
from rnn_models.training.validation import (
    MAX_DECODED_ROWS,
    MAX_ROWS,
    headline_of,
    headline_score,
    is_chosen_by_score,
    mean_loss,
    scored_rows,
)
from tests.rnn_models.training.test_loop import KEEN, are_equal, fitted


def epochs_of(pairs, *, is_chosen_by_score=True):
    return [
        Epoch(
            n, n, 1.0, loss, 0.0, 1.0, validation_score=score, is_chosen_by_score=is_chosen_by_score
        )
        for n, (loss, score) in enumerate(pairs, 1)
    ]


@pytest.fixture
def scored(monkeypatch):
    """Replace scores and losses of the epochs of a training by given ones."""

    def score(*pairs):
        losses, scores = (iter(column) for column in zip(*pairs, strict=True))
        monkeypatch.setattr(training_module, "mean_loss", lambda *given: next(losses))
        monkeypatch.setattr(training_module, "headline_score", lambda *given, **more: next(scores))

    return score


@pytest.mark.case("B7")
def test_loss_only_breaks_ties_when_the_score_decides():
    epochs = epochs_of([(3.0, 50.0), (1.0, 40.0), (2.0, 60.0), (0.5, 60.0)])
    assert TrainingHistory(epochs=epochs).best.epoch == 4
    assert stalls(epochs_of([(3.0, 50.0), (3.0, 50.0), (4.0, 50.0)])) == (2, 2)


def test_scores_do_not_matter_when_the_loss_decides():
    epochs = epochs_of([(3.0, 50.0), (1.0, 40.0), (2.0, 60.0)], is_chosen_by_score=False)
    assert TrainingHistory(epochs=epochs).best.epoch == 2
    assert stalls(epochs) == (1, 1)


@pytest.mark.case("B7")
@pytest.mark.parametrize("is_chosen_by_score", [True, False])
@pytest.mark.parametrize("bad", [(math.nan, 90.0), (math.nan, math.nan)])
def test_epoch_with_a_nan_loss_is_never_the_best(bad, is_chosen_by_score):
    epochs = epochs_of([bad, (3.0, 50.0), bad], is_chosen_by_score=is_chosen_by_score)
    assert TrainingHistory(epochs=epochs).best.epoch == 2
    assert stalls(epochs) == (2, 1)


@pytest.mark.case("B7")
def test_entity_f1_selects_an_epoch_that_the_loss_would_miss(ner, scored):
    """Four epochs as measured on a slower processor: the loss slightly preferred the first."""
    pairs = [(0.0240, 85.3), (0.0244, 86.6), (0.0241, 88.3), (0.0257, 88.1)]
    scored(*pairs)
    options = {"schedule": "constant", "patience": 4}
    history = fitted(ner, **options, max_epochs=4)
    assert history.best.epoch == 3
    assert are_equal(history.weights, fitted_weights(ner, 3, options))
    scored(*pairs)
    assert fitted(ner, **options, max_epochs=4, stop_on="loss").best.epoch == 1


def fitted_weights(posed, max_epochs, options):
    """The weights after the last of some epochs, each better than the previous one."""
    with pytest.MonkeyPatch.context() as patch:
        scores = iter(range(99))
        patch.setattr(training_module, "headline_score", lambda *given, **more: float(next(scores)))
        patch.setattr(training_module, "mean_loss", lambda *given: 1.0)
        return fitted(posed, **options, max_epochs=max_epochs).weights


@pytest.mark.case("B7")
def test_patience_and_the_learning_rate_follow_the_score_too(ner, scored):
    options = {
        "schedule": "plateau",
        "warmup_steps": 0,
        "patience": 2,
        "max_epochs": 9,
        "batch_size": 8,
        "learning_rate": 0.01,
    }
    scored((1.0, 50.0), (2.0, 40.0), (3.0, 60.0), (4.0, 55.0), (5.0, 58.0))
    history = fitted(ner, **options)
    assert (history.ended, history.best.epoch, len(history.epochs)) == ("patience", 3, 5)
    assert [step.learning_rate for step in history.steps] == pytest.approx(
        [0.01, 0.01, 0.005, 0.005, 0.0025]
    )


@pytest.mark.case("B7")
def test_early_score_by_chance_does_not_stop_a_training_whose_loss_falls(ner, scored):
    """A tagger first learns that most tokens are outside, and finds no entity for some epochs."""
    scored(
        (1.27, 7.3), (1.11, 0.0), (0.88, 0.0), (0.81, 0.0), (0.60, 0.0), (0.62, 41.0), (0.63, 41.0)
    )
    history = fitted(ner, patience=2, max_epochs=7)
    assert (history.ended, history.best.epoch, len(history.epochs)) == ("max_epochs", 6, 7)


@pytest.mark.case("B7")
@pytest.mark.parametrize(
    "average", [{}, {"average_epochs": 2}, {"average_steps": 4}], ids=["last", "epochs", "steps"]
)
def test_best_epoch_has_the_highest_score_and_its_weights_are_kept(posed_answer, average):
    posed = posed_answer
    history = fitted(posed, max_epochs=4, patience=4, learning_rate=0.05, **average)
    scores = [epoch.validation_score for epoch in history.epochs]
    assert all(epoch.is_chosen_by_score for epoch in history.epochs)
    assert history.best.validation_score == max(scores)
    model = posed.problem.build(posed.sizes, posed.settings)
    load_weights(model, history.weights)
    loss = mean_loss(posed.problem, model, posed.examples, posed.settings)
    assert loss == history.best.validation_loss
    assert (
        headline_score(posed.problem, model, posed.examples, posed.sizes, loss=loss)
        == history.best.validation_score
    )


def test_score_of_an_epoch_is_the_first_metric_of_its_predictions(posed_answer):
    posed = posed_answer
    history = fitted(posed, max_epochs=2)
    model = posed.problem.build(posed.sizes, posed.settings.with_changes({"beam_width": 1}))
    load_weights(model, history.weights)
    targets = [posed.examples.target.row(i) for i in range(len(posed.examples))]
    predictions, references = (
        [posed.problem.output.from_ids(ids, posed.sizes.labels) for ids in rows]
        for rows in (
            map(
                posed.problem.output.ids,
                predict_all(posed.problem, model, posed.examples),
            ),
            targets,
        )
    )
    metric = find_metric(posed.problem.metrics[0])
    expected = metric.score(metric.statistics(predictions, references).sum(0, keepdims=True))[0]
    assert history.best.validation_score == pytest.approx(expected)


def test_memorized_examples_score_100(posed_answer):
    posed = posed_answer
    model = posed.problem.build(posed.sizes, posed.settings.with_changes(KEEN))
    load_weights(model, fitted(posed, **KEEN).weights)
    assert headline_score(
        posed.problem, model, posed.examples, posed.sizes, loss=0.0
    ) == pytest.approx(100.0, abs=0.01)


@pytest.mark.case("B7")
def test_every_problem_selects_its_epoch_by_its_first_metric_by_default():
    for name in problem_names():
        problem = find_problem(name)
        assert problem.defaults.stop_on == "metric"
        is_loss = find_metric(problem.metrics[0]).is_cost  # the loss in another unit
        assert is_chosen_by_score(problem, problem.defaults) is not is_loss
        assert not is_chosen_by_score(problem, problem.defaults.with_changes({"stop_on": "loss"}))


@pytest.mark.case("B7")
def test_same_sample_of_many_rows_is_scored_in_every_epoch(posed_answer, monkeypatch):
    posed = posed_answer
    many = 10 * MAX_ROWS
    most = MAX_DECODED_ROWS if posed.is_text else MAX_ROWS
    rows = scored_rows(posed.problem, many)
    assert (len(rows), len(set(rows.tolist())), rows[0], rows[-1]) == (most, most, 0, many - 1)
    assert scored_rows(posed.problem, 7).tolist() == list(range(7))
    monkeypatch.setattr(validation, "MAX_DECODED_ROWS", 3)
    monkeypatch.setattr(validation, "MAX_ROWS", 3)
    model = posed.model()
    scored = []
    monkeypatch.setattr(
        validation, "predict_all", lambda *given: scored.append(given[2]) or predict_all(*given)
    )
    headline_score(posed.problem, model, posed.examples, posed.sizes, loss=0.0)
    chosen = scored_rows(posed.problem, len(posed.examples))
    assert [scored[0].source.row(i) for i in range(3)] == [
        posed.examples.source.row(int(i)) for i in chosen
    ]
    assert [scored[0].target.row(i) for i in range(3)] == [
        posed.examples.target.row(int(i)) for i in chosen
    ]


def test_selected_examples_keep_their_spellings(spelled_ner):
    some = spelled_ner.examples.select(np.asarray([4, 1]))
    found = some.batch(np.arange(2))
    expected = spelled_ner.examples.batch(np.asarray([4, 1]))
    for name in ("characters", "lengths", "indices"):
        assert torch.equal(getattr(found.spelled, name), getattr(expected.spelled, name))
    assert torch.equal(found.source, expected.source)


def test_scoring_restores_the_settings_of_the_model(translation):
    model = translation.model(beam_width=3, num_best=2)
    own = model.settings
    headline_score(translation.problem, model, translation.examples, translation.sizes, loss=0.0)
    assert model.settings is own


@pytest.mark.case("D18")
@pytest.mark.parametrize("name", problem_names())
def test_epoch_log_line_has_comparable_losses_and_the_first_metric(request, name, caplog):
    caplog.set_level(logging.INFO)
    posed = request.getfixturevalue(name)
    title = headline_of(find_problem(name)).title
    history = fitted(posed, max_epochs=1)
    (line,) = [
        record.getMessage()
        for record in caplog.records
        if record.getMessage().startswith("epoch 1: ")
    ]
    epoch = history.epochs[0]
    shown = headline_of(posed.problem).shown(epoch.validation_score)
    assert (
        f"train loss {epoch.train_loss:.3f}, validation loss {epoch.validation_loss:.3f}, "
        f"{shown} (best)" in line
    )
    assert any(
        title in record.getMessage()
        for record in caplog.records
        if "best epoch has" in record.getMessage()
    ) or (name == "generation")


@pytest.mark.case("D18")
def test_training_loss_excludes_label_smoothing(posed):
    """Before the first update and without dropout, training and validation have the same loss."""
    options = {
        "label_smoothing": 0.4,
        "dropout": 0.0,
        "token_dropout": 0.0,
        "label_dropout": 0.0,
        "learning_rate": 0.0,
    }
    batches = {"batch_size": 99, "batch_tokens": 9999, "max_epochs": 1}
    (epoch,) = fitted(posed, **options, **batches).epochs
    assert epoch.train_loss == pytest.approx(epoch.validation_loss, rel=1e-4)


def test_ids_are_converted_to_the_form_of_the_metric(sentiment, ner, translation):
    assert sentiment.problem.output.from_ids([2], sentiment.sizes.labels) == "yes"
    assert ner.problem.output.from_ids([1, 2, 0], ner.sizes.labels) == ["B-ka", "I-ka", "O"]
    assert translation.problem.output.from_ids([7, 12], translation.sizes.labels) == "7 12"


def test_label_missing_from_training_is_no_label_of_the_model(sentiment):
    assert (
        sentiment.problem.output.from_ids([-1], sentiment.sizes.labels)
        not in sentiment.sizes.labels
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_training_without_a_finite_validation_loss_raises(sentiment, bad, monkeypatch):
    monkeypatch.setattr(training_module, "mean_loss", lambda *given: bad)
    monkeypatch.setattr(training_module, "headline_score", None)  # nothing is decoded
    with pytest.raises(FloatingPointError, match=r"no epoch with a finite validation loss.*Lower"):
        fitted(sentiment, max_epochs=2)

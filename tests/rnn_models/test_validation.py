"""What decides between epochs: the loss, or the score that the problem is judged by."""

import pytest

from rnn_models.checkpoint import load_weights
from rnn_models.history import Epoch, History, stalls
from rnn_models.metrics import find_metric
from rnn_models.prediction import predict_all
from rnn_models.validation import headline_score, told
from tests.rnn_models.test_training import KEEN, fitted


def epochs_of(pairs):
    return [Epoch(n, n, 1.0, loss, 0.0, 1.0, validation_score=score) for n, (loss, score) in enumerate(pairs, 1)]


def test_where_there_is_a_score_it_decides_and_not_the_loss():
    epochs = epochs_of([(3.0, 50.0), (1.0, 40.0), (2.0, 60.0), (0.5, 60.0)])
    assert History(epochs=epochs).best.epoch == 3
    assert stalls(epochs) == (2, 1)


def test_without_scores_the_loss_decides():
    epochs = epochs_of([(3.0, None), (1.0, None), (2.0, None)])
    assert History(epochs=epochs).best.epoch == 2
    assert stalls(epochs) == (1, 1)


def test_the_score_of_an_epoch_is_the_first_metric_of_what_its_weights_say(posed_answer):
    posed = posed_answer
    history = fitted(posed, stop_on="metric", max_epochs=2)
    model = posed.problem.build(posed.sizes, posed.settings)
    load_weights(model, history.weights)
    targets = [posed.examples.target.row(i) for i in range(len(posed.examples))]
    said, true = (
        [told(ids, posed.problem, posed.sizes) for ids in rows]
        for rows in ([output.ids for output in predict_all(posed.problem, model, posed.examples)], targets)
    )
    metric = find_metric(posed.problem.metrics[0])
    expected = metric.score(metric.statistics(said, true).sum(0, keepdims=True))[0]
    assert history.best.validation_score == pytest.approx(expected)
    assert history.best.validation_score == max(epoch.validation_score for epoch in history.epochs)


def test_what_is_learnt_by_heart_scores_100(posed_answer):
    posed = posed_answer
    model = posed.problem.build(posed.sizes, posed.settings.with_changes(KEEN))
    load_weights(model, fitted(posed, **KEEN).weights)
    assert headline_score(posed.problem, model, posed.examples, posed.sizes) == pytest.approx(100.0)


def test_a_score_is_measured_only_where_it_decides(posed):
    assert [epoch.validation_score for epoch in fitted(posed, max_epochs=2).epochs] == [None, None]


def test_ids_are_told_as_a_metric_takes_them(sentiment, ner, translation):
    assert told([2], sentiment.problem, sentiment.sizes) == "yes"
    assert told([1, 2, 0], ner.problem, ner.sizes) == ["B-ka", "I-ka", "O"]
    assert told([7, 12], translation.problem, translation.sizes) == "7 12"


def test_a_label_that_training_never_saw_is_no_label_of_the_model(sentiment):
    assert told([-1], sentiment.problem, sentiment.sizes) not in sentiment.sizes.labels

"""Regression: its metrics against NumPy, its loss and its baseline by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import Examples, Ragged
from rnn_models.evaluation.baselines import find_baseline
from rnn_models.evaluation.metric import measure
from rnn_models.evaluation.metrics import find_metric
from rnn_models.output_kind import Request
from rnn_models.problem import find_problem

NUMBERS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=3, max_size=30)
PEARSON = find_metric("pearson")
ERROR = find_metric("mean_absolute_error")


@given(NUMBERS)
def test_pearson_of_summed_statistics_equals_numpy(pairs):
    ours, references = np.asarray(pairs).T
    if min(ours.std(), references.std()) < 1e-3:  # NumPy's own digits are lost there
        return
    expected = 100 * np.corrcoef(ours, references)[0, 1]
    assert PEARSON.total(PEARSON.statistics(ours, references)) == pytest.approx(expected, abs=1e-5)


def test_pearson_does_not_depend_on_unit_or_offset():
    ours, references = [1.0, 2.0, 4.0], [3.0, 1.0, 5.0]
    score = PEARSON.total(PEARSON.statistics(ours, references))
    far = [1e9 + 1000 * value for value in ours]
    assert PEARSON.total(PEARSON.statistics(far, references)) == pytest.approx(score)


def test_constant_prediction_has_zero_correlation():
    assert PEARSON.total(PEARSON.statistics([0.1] * 3, [1.0, 2.0, 3.0])) == 0.0


def test_resampled_correlations_give_an_interval_around_the_score():
    random = np.random.default_rng(0)
    references = random.normal(size=300)
    statistics = PEARSON.statistics(references + random.normal(size=300), references)
    found = measure(PEARSON, statistics)
    assert 55 < found.low < found.value < found.high < 85


@given(NUMBERS)
def test_mean_absolute_error_equals_numpy(pairs):
    ours, references = np.asarray(pairs).T
    expected = np.abs(ours - references).mean()
    assert ERROR.total(ERROR.statistics(ours, references)) == pytest.approx(expected)
    assert ERROR.gain(1.0, 3.0) == 2.0  # a smaller error is a gain


def test_loss_is_the_squared_error(regression):
    model, batch = regression.model(), regression.batch()
    with torch.inference_mode():
        errors = regression.logits(model, batch)[:, 0] - batch.target[:, 0]
        found = regression.problem.loss(model, batch)
    assert float(found.nats) == pytest.approx(float(errors.square().sum()), rel=1e-5)
    assert found.units == len(batch)


def test_targets_of_a_batch_are_float_and_sources_are_ids(regression):
    batch = regression.batch()
    assert (batch.source.dtype, batch.target.dtype) == (torch.int64, torch.float32)


def test_mean_baseline_predicts_the_mean_of_the_training_numbers():
    def numbers(*values):
        column = Ragged(np.asarray(values, dtype=np.float32), np.arange(len(values) + 1))
        return Examples(Ragged.of([[4]] * len(values)), column)

    baseline = find_baseline("mean")
    assert baseline.predict(numbers(1, 2, 6), numbers(0, 0)) == [[3.0], [3.0]]
    assert baseline.num_learnt(numbers(1, 2)) == 1


def test_answer_is_in_the_unit_of_the_rows():
    class Served:
        def outputs(self, rows):
            return [0.5, -1.0]

        def decode(self, output, row):
            return 10 * output + 3

    kind = find_problem("regression").output
    found = kind.answer(Served(), Request(["lumo", "grak"], None, kind.parameters()))
    assert found == {"score": [8.0, -7.0]}
    assert kind.render({"score": 8.0}) == ["8"]

"""The contract of every output kind."""

from dataclasses import fields

import pytest

from rnn_models.output_kind import Input
from rnn_models.problem import find_problem, problem_names
from rnn_models.settings import check_setting

each = pytest.mark.parametrize("name", problem_names())


@each
def test_predictions_are_a_column_of_the_answer(name):
    kind = find_problem(name).output
    assert kind.column in kind.columns
    assert not kind.confidence or kind.columns[kind.confidence] is float


@each
def test_request_has_inputs_and_requires_no_training_target(name):
    inputs = find_problem(name).output.inputs
    assert inputs
    assert all(isinstance(column, Input) for column in inputs.values())
    assert all(column.is_optional for column in inputs.values() if column.is_trained)


@each
def test_parameters_have_a_default_within_their_bounds(name):
    parameters = find_problem(name).output.parameters
    assert all(check_setting(field, field.default) is None for field in fields(parameters))
    parameters()  # and agree with one another


@each
def test_fixed_requests_use_known_parameters(name):
    kind = find_problem(name).output
    known = {field.name for field in fields(kind.parameters)}
    requests = [kind.scoring_parameters, *kind.parity_requests]
    assert len(requests) > 1
    assert all(set(request) <= known for request in requests)


@each
def test_card_has_a_phrase_for_shape_limit_and_architecture(name):
    problem = find_problem(name)
    kind = problem.output
    phrase = kind.architecture(vars(problem.defaults))
    assert all(text and "\n" not in text for text in (kind.shape, kind.limit, phrase))

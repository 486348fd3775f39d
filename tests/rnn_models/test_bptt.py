"""Clipping against arithmetic by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rnn_models.bptt import clip, gradient_norm

numbers = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6)
gradients = st.lists(numbers, min_size=1, max_size=4)


def with_gradients(gradients):
    """One parameter for each gradient."""
    parameters = [nn.Parameter(torch.zeros(len(g))) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return parameters


def norm_by_hand(gradients):
    return math.sqrt(sum(x * x for gradient in gradients for x in gradient))


def values(parameters):
    return [x for p in parameters for x in p.grad.tolist()]


@given(gradients)
def test_the_norm_is_the_root_of_the_sum_of_all_squares(gradients):
    assert float(gradient_norm(with_gradients(gradients))) == pytest.approx(norm_by_hand(gradients), rel=1e-5, abs=1e-6)


@given(gradients, st.floats(0.1, 300))
def test_clip_returns_the_norm_before_clipping(gradients, clip_norm):
    assert clip(with_gradients(gradients), clip_norm) == pytest.approx(norm_by_hand(gradients), rel=1e-5, abs=1e-6)


@given(gradients, st.floats(0.1, 300))
def test_clip_bounds_the_norm_and_keeps_the_direction(gradients, clip_norm):
    parameters, before = with_gradients(gradients), norm_by_hand(gradients)
    clip(parameters, clip_norm)
    scale = min(1.0, clip_norm / (before + 1e-6))
    expected = [scale * x for gradient in gradients for x in gradient]
    assert values(parameters) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_gradient_below_the_threshold_is_not_touched():
    parameters = with_gradients([[3.0], [4.0]])
    clip(parameters, 5.1)
    assert values(parameters) == [3.0, 4.0]


def test_a_gradient_of_norm_ten_is_halved_by_a_clip_norm_of_five():
    parameters = with_gradients([[6.0, 0.0], [-8.0]])
    assert clip(parameters, 5.0) == 10.0
    assert values(parameters) == pytest.approx([3.0, 0.0, -4.0], rel=1e-6)


def test_a_parameter_without_a_gradient_does_not_count():
    assert clip([nn.Parameter(torch.ones(3)), *with_gradients([[3.0, 4.0]])], 1.0) == 5.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_norm_of_a_gradient_that_is_not_finite_is_not_finite(value):
    assert not math.isfinite(clip(with_gradients([[1.0], [value]]), 1.0))

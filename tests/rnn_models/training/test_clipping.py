"""Backpropagation through time against its recursion, and clipping against arithmetic, by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rnn_models.batching.windows import Window, bptt_windows, carry_state
from rnn_models.layers.recurrent import Recurrent, recurrence, run_recurrence
from rnn_models.settings import TrainSettings
from rnn_models.training.clipping import Clipper, clip, clip_values, gradient_norm, percentile
from tests.rnn_models.layers.test_encoder import EVERY_CELL, perturbed

B = 3
T = 7
E = 4
H = 5

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
def test_norm_is_the_root_of_the_sum_of_all_squares(gradients):
    assert float(gradient_norm(with_gradients(gradients))) == pytest.approx(
        norm_by_hand(gradients), rel=1e-5, abs=1e-6
    )


@given(gradients, st.floats(0.1, 300))
def test_clip_returns_the_norm_before_clipping(gradients, clip_norm):
    assert clip(with_gradients(gradients), clip_norm) == pytest.approx(
        norm_by_hand(gradients), rel=1e-5, abs=1e-6
    )


@given(gradients, st.floats(0.1, 300))
def test_clip_bounds_the_norm_and_keeps_the_direction(gradients, clip_norm):
    parameters = with_gradients(gradients)
    before = norm_by_hand(gradients)
    clip(parameters, clip_norm)
    scale = min(1.0, clip_norm / (before + 1e-6))
    expected = [scale * x for gradient in gradients for x in gradient]
    assert values(parameters) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_gradient_below_the_threshold_is_not_changed():
    parameters = with_gradients([[3.0], [4.0]])
    clip(parameters, 5.1)
    assert values(parameters) == [3.0, 4.0]


def test_gradient_of_norm_ten_is_halved_by_a_clip_norm_of_five():
    parameters = with_gradients([[6.0, 0.0], [-8.0]])
    assert clip(parameters, 5.0) == 10.0
    assert values(parameters) == pytest.approx([3.0, 0.0, -4.0], rel=1e-6)


def test_parameter_without_a_gradient_is_ignored():
    assert clip([nn.Parameter(torch.ones(3)), *with_gradients([[3.0, 4.0]])], 1.0) == 5.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_norm_of_a_nonfinite_gradient_is_not_finite(value):
    assert not math.isfinite(clip(with_gradients([[1.0], [value]]), 1.0))


def hand_written_gradients(cell, x, upstream, window):
    """The backward recursion of an Elman network in float64, without autograd.

    delta_t = (dL/dH_t + delta_{t+1} W_hh) * phi'(H_t), where delta_{t+1} stops at a cut.
    """
    w_xh, w_hh, b_x, b_h = (p.detach().numpy() for p in cell.parameters())
    phi, slope = {
        "RNN_TANH": (np.tanh, lambda h: 1 - h * h),
        "RNN_RELU": (lambda z: np.maximum(z, 0), lambda h: (h > 0) * 1.0),
    }[cell.mode]
    states = [np.zeros((B, H))]
    for t in range(T):
        states.append(phi(x[:, t] @ w_xh.T + states[-1] @ w_hh.T + b_x + b_h))
    d_xh = np.zeros_like(w_xh)
    d_hh = np.zeros_like(w_hh)
    d_b = np.zeros(H)
    d_x = np.zeros_like(x)
    delta = np.zeros((B, H))
    for t in reversed(range(T)):
        is_cut = window > 0 and (t + 1) % window == 0
        delta = (upstream[:, t] + (0 if is_cut else delta @ w_hh)) * slope(states[t + 1])
        d_xh = d_xh + delta.T @ x[:, t]
        d_hh = d_hh + delta.T @ states[t]
        d_b = d_b + delta.sum(0)
        d_x[:, t] = delta @ w_xh
    return d_xh, d_hh, d_b, d_b, d_x


@pytest.mark.parametrize("window", [0, 1, 2, 3, T - 1, T, T + 5])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients_equal_the_hand_written_recursion_for_full_and_truncated_bptt(activation, window):
    torch.manual_seed(1)
    cell = perturbed(recurrence("rnn", E, H, activation=activation)).double()
    x = torch.randn(B, T, E, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(B, T, H, dtype=torch.float64)
    states, _ = run_recurrence(cell, x, (), window=window)
    (states * upstream).sum().backward()
    expected = hand_written_gradients(cell, x.detach().numpy(), upstream.numpy(), window)
    for found, by_hand in zip(
        [*(p.grad for p in cell.parameters()), x.grad], expected, strict=True
    ):
        np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-10, atol=1e-12)


def make_encoder(kind, activation, **changes):
    torch.manual_seed(2)
    settings = TrainSettings(
        encoder=kind,
        activation=activation,
        hidden_size=H,
        bidirectional=False,
        dropout=0.0,
        **changes,
    )
    return perturbed(Recurrent(E, settings))


@pytest.mark.parametrize("num_layers", [1, 3])
@EVERY_CELL
def test_window_as_long_as_the_sequence_is_bit_identical_to_full_bptt(kind, activation, num_layers):
    found = []
    for window in (0, T, 10 * T):
        encoder = make_encoder(kind, activation, num_layers=num_layers, bptt_window=window)
        torch.manual_seed(3)
        x = torch.randn(B, T, E, requires_grad=True)
        states, last = encoder(x, torch.tensor([T, 3, 5]))
        (states.sin().sum() + last.sum()).backward()
        found.append([states, last, x.grad, *(p.grad for p in encoder.parameters())])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("num_layers", [1, 3])
@EVERY_CELL
def test_state_crosses_a_window_boundary_and_gradients_do_not(kind, activation, num_layers):
    encoder = make_encoder(
        kind, activation, num_layers=num_layers, layer_norm=True, residual=True, bptt_window=3
    )
    window = 3
    x = torch.randn(B, T, E, requires_grad=True)
    states, _ = encoder.continue_from(x, ())
    for t in range(T):
        (reached,) = torch.autograd.grad(states[:, t].sum(), x, retain_graph=True)
        begin = t - t % window
        assert not reached[:, :begin].any()
        assert not reached[:, t + 1 :].any()
        assert reached[:, begin : t + 1].flatten(2).any(2).all()
    untouched, _ = make_encoder(
        kind, activation, num_layers=num_layers, layer_norm=True, residual=True
    ).continue_from(x, ())
    torch.testing.assert_close(
        states, untouched, rtol=1e-5, atol=1e-6
    )  # what is cut is the gradient, not the state


@EVERY_CELL
def test_windows_in_sequence_equal_cuts_within_one_forward_pass(kind, activation):
    x = torch.randn(B, T, E)
    upstream = torch.randn(B, T, H)
    single = make_encoder(kind, activation, num_layers=2, bptt_window=3)
    (single.continue_from(x, ())[0] * upstream).sum().backward()
    parts = make_encoder(kind, activation, num_layers=2)
    state = ()
    for start in range(0, T, 3):
        states, state = parts.continue_from(
            x[:, start : start + 3], carry_state(state, torch.zeros(B, dtype=torch.bool))
        )
        (states * upstream[:, start : start + 3]).sum().backward()
    for one, other in zip(single.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_carried_state_is_zero_at_sequence_starts_and_has_no_gradient():
    state = (torch.ones(2, H, requires_grad=True), 2 * torch.ones(2, H, requires_grad=True))
    h, c = carry_state(state, torch.tensor([False, True]))
    assert (h.tolist(), c.tolist()) == ([[1.0] * H, [0.0] * H], [[2.0] * H, [0.0] * H])
    assert not any(s.requires_grad for s in (h, c))


def padded(lengths):
    num_steps = max(lengths)
    steps = torch.arange(len(lengths) * num_steps).view(len(lengths), num_steps)
    is_start = torch.ones(len(lengths), dtype=torch.bool)
    return Window(steps, steps + 1, torch.tensor(lengths), is_start, np.arange(len(lengths)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 10))
def test_windows_contain_every_step_once_and_only_the_first_is_a_start(lengths, size):
    batch = padded(lengths)
    windows = list(bptt_windows(batch, size))
    assert torch.equal(torch.cat([w.inputs for w in windows], dim=1), batch.inputs)
    assert torch.equal(torch.cat([w.targets for w in windows], dim=1), batch.targets)
    assert torch.equal(sum(w.lengths for w in windows), batch.lengths)
    assert sum(w.num_tokens for w in windows) == sum(lengths)
    assert [bool(w.is_start.all()) for w in windows] == [True] + [False] * (len(windows) - 1)
    for number, window in enumerate(windows):
        assert window.inputs.shape[1] <= size
        assert window.lengths.tolist() == [min(max(n - number * size, 0), size) for n in lengths]


@given(gradients, st.floats(0.01, 200))
def test_clipping_by_value_limits_each_element(gradients, clip_value):
    parameters = with_gradients(gradients)
    norm, is_clipped = clip_values(parameters, clip_value)
    flat = [float(np.float32(x)) for gradient in gradients for x in gradient]
    assert values(parameters) == pytest.approx(
        [min(max(x, -clip_value), clip_value) for x in flat], rel=1e-6
    )
    assert norm == pytest.approx(norm_by_hand(gradients), rel=1e-5, abs=1e-6)
    assert is_clipped == any(abs(x) > clip_value for x in flat)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_percentile_equals_numpy(numbers, share):
    assert percentile(sorted(numbers), share) == pytest.approx(
        float(np.percentile(numbers, share)), rel=1e-9, abs=1e-9
    )


def clipped(clipper, gradients):
    parameters = with_gradients(gradients)
    return clipper(parameters), values(parameters)


@given(
    st.lists(st.floats(0.125, 1000, width=32), min_size=1, max_size=20),
    st.sampled_from([0.0, 10.0, 50.0, 100.0]),
)
def test_adaptive_clipping_uses_a_percentile_of_earlier_norms(norms, share):
    clipper = Clipper(TrainSettings(clipping="adaptive", clip_percentile=share))
    for number, norm in enumerate(norms, 1):
        allowed = float(
            np.percentile(np.asarray(norms[:number], dtype=np.float32).astype(np.float64), share)
        )
        found, after = clipped(clipper, [[norm]])
        assert (found.norm, found.allowed) == (
            pytest.approx(norm, rel=1e-6),
            pytest.approx(allowed, rel=1e-6),
        )
        assert found.is_clipped == (found.norm > found.allowed)
        assert after == pytest.approx([min(norm, allowed)], rel=1e-4)


def test_adaptive_clipping_resumes_from_given_norms():
    settings = TrainSettings(clipping="adaptive", clip_percentile=50.0)
    uninterrupted = Clipper(settings)
    for norm in (4.0, 1.0, 9.0):
        clipped(uninterrupted, [[norm]])
    assert clipped(Clipper(settings, [4.0, math.nan, 1.0, 9.0]), [[2.0]]) == clipped(
        uninterrupted, [[2.0]]
    )


def test_adaptive_clipping_ignores_nonfinite_norms():
    clipper = Clipper(TrainSettings(clipping="adaptive", clip_percentile=100.0))
    assert clipped(clipper, [[math.inf]])[0].norm == math.inf
    assert clipped(clipper, [[3.0]])[0].allowed == 3.0


@pytest.mark.parametrize(
    ("clipping", "expected", "is_clipped"),
    [("norm", [1.5, 2.0], True), ("value", [3.0, 3.5], True), ("none", [3.0, 4.0], False)],
)
def test_gradients_are_clipped_as_set_and_always_measured(clipping, expected, is_clipped):
    settings = TrainSettings(clipping=clipping, clip_norm=2.5, clip_value=3.5)
    found, after = clipped(Clipper(settings), [[3.0], [4.0]])
    assert (found.norm, found.is_clipped) == (5.0, is_clipped)
    assert after == pytest.approx(expected, rel=1e-5)

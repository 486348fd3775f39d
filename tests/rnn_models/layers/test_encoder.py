"""Cells and encoders against their equations, and against PyTorch's packed sequences."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnn_models.batching.batch import PAD_ID, UNK_ID
from rnn_models.layers.cnn import Convolutional, shares
from rnn_models.layers.embedding import Embedding, LockedDropout
from rnn_models.layers.encoder import make_encoder
from rnn_models.layers.recurrent import (
    CELLS,
    KERNELS,
    Recurrent,
    gather_steps,
    recurrence,
    reversal,
    run_recurrence,
)
from rnn_models.settings import TrainSettings

B = 4
T = 6
E = 3
H = 5
LENGTHS = torch.tensor([4, 6, 1, 3])


def lstm_step(x, state, w):
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    h, c = state
    i, f, g, o = (x @ w["xi"] + h @ w["hi"] + w["bi"]).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(x, state, w):
    """Cho et al. (2014), with the reset gate after the product, as in PyTorch."""
    (h,) = state
    xr, xz, xn = (x @ w["xi"] + w["bx"]).chunk(3, dim=1)
    hr, hz, hn = (h @ w["hi"] + w["bh"]).chunk(3, dim=1)
    r = torch.sigmoid(xr + hr)
    z = torch.sigmoid(xz + hz)
    return ((1 - z) * torch.tanh(xn + r * hn) + z * h,)


def rnn_step(x, state, w):
    """Elman (1990): H_t = tanh(X_t W_xh + H_{t-1} W_hh + b)."""
    return (torch.tanh(x @ w["xi"] + state[0] @ w["hi"] + w["bi"]),)


def relu_step(x, state, w):
    """Le, Jaitly and Hinton (2015): H_t = relu(X_t W_xh + H_{t-1} W_hh + b)."""
    return (torch.relu(x @ w["xi"] + state[0] @ w["hi"] + w["bi"]),)


STEPS = {("lstm", "tanh"): (lstm_step, 2), ("gru", "tanh"): (gru_step, 1)}
STEPS |= {("rnn", "tanh"): (rnn_step, 1), ("rnn", "relu"): (relu_step, 1)}
EVERY_CELL = pytest.mark.parametrize(("kind", "activation"), STEPS)


def by_steps(cell, x, kind, activation):
    """Hidden states (B, T, H) of a cell, written out step by step from zeros."""
    step, num_states = STEPS[kind, activation]
    bx = cell.bias_ih_l0
    bh = cell.bias_hh_l0
    w = {"xi": cell.weight_ih_l0.mT, "hi": cell.weight_hh_l0.mT, "bx": bx, "bh": bh, "bi": bx + bh}
    state = (torch.zeros(len(x), cell.hidden_size),) * num_states
    outputs = []
    for t in range(x.shape[1]):
        state = step(x[:, t], state, w)
        outputs.append(state[0])
    return torch.stack(outputs, dim=1)


def encoded_by_steps(encoder, x, kind, activation):
    """All layers and directions of an encoder over one sequence (T, E), by their equations."""
    x = x[None]
    for layer, ahead in enumerate(encoder.forwards):
        states = by_steps(ahead, x, kind, activation)
        if encoder.backwards:
            mirrored = by_steps(encoder.backwards[layer], x.flip(1), kind, activation)
            states = torch.cat([states, mirrored.flip(1)], dim=2)
        states = x + states if encoder.is_residual[layer] else states
        norm = encoder.norms[layer]
        if isinstance(norm, nn.LayerNorm):
            scaled = (states - states.mean(2, keepdim=True)) / (
                states.var(2, unbiased=False, keepdim=True) + 1e-5
            ).sqrt()
            states = scaled * norm.weight + norm.bias
        x = states
    return x[0]


def perturbed(module):
    """Change all initial weights, so that no bias is zero."""
    for parameter in module.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return module


@EVERY_CELL
def test_cell_follows_its_equations(kind, activation):
    torch.manual_seed(1)
    cell = perturbed(recurrence(kind, E, H, activation=activation))
    x = torch.randn(B, T, E)
    expected = by_steps(cell, x, kind, activation)
    torch.testing.assert_close(cell(x)[0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(run_recurrence(cell, x, ())[0], expected, rtol=1e-5, atol=1e-6)


def make(kind="lstm", activation="tanh", **changes):
    """An encoder with changed initial weights."""
    torch.manual_seed(2)
    settings = TrainSettings(encoder=kind, activation=activation, hidden_size=H, **changes)
    return perturbed(make_encoder(E, settings)), settings


@pytest.mark.parametrize(
    ("layer_norm", "residual"), [(False, False), (True, False), (False, True), (True, True)]
)
@pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(1, True), (2, True), (3, True), (1, False), (3, False)]
)
@EVERY_CELL
def test_encoder_follows_the_equations_of_all_its_layers(
    kind, activation, num_layers, bidirectional, layer_norm, residual
):
    encoder, _ = make(
        kind,
        activation,
        num_layers=num_layers,
        bidirectional=bidirectional,
        layer_norm=layer_norm,
        residual=residual,
    )
    x = torch.randn(B, T, E)
    states, last = encoder.eval()(x, LENGTHS)
    for i, length in enumerate(LENGTHS.tolist()):
        expected = encoded_by_steps(encoder, x[i, :length], kind, activation)
        ends = torch.cat([expected[-1, :H], expected[0, H:]])  # each direction's own last step
        torch.testing.assert_close(states[i, :length], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(last[i], ends, rtol=1e-4, atol=1e-5)


def test_residual_connections_exist_only_between_equal_widths():
    assert make(num_layers=2, residual=True)[0].is_residual == [False, True]
    encoder = Recurrent(2 * H, TrainSettings(hidden_size=H, residual=True))
    assert encoder.is_residual == [True]


@pytest.mark.parametrize("num_layers", [1, 3])
@EVERY_CELL
def test_encoding_in_two_parts_equals_encoding_at_once(kind, activation, num_layers):
    encoder, _ = make(kind, activation, num_layers=num_layers, bidirectional=False, layer_norm=True)
    x = torch.randn(B, T, E)
    expected, end = encoder.eval().continue_from(x, ())
    first, state = encoder.continue_from(x[:, :2], ())
    second, after = encoder.continue_from(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after, end, rtol=1e-5, atol=1e-6)
    assert {s.shape for s in end} == {(B, H)}


@pytest.mark.parametrize(
    "cell",
    [nn.LSTM(E, H), nn.GRU(E, H), nn.RNN(E, H), nn.RNN(E, H, nonlinearity="relu")],
    ids=lambda cell: cell.mode,
)
def test_kernel_receives_weights_and_flags_in_the_order_of_its_module(cell: nn.RNNBase) -> None:
    cell.batch_first = True
    x = torch.randn(B, T, E)
    zeros = torch.zeros(1, B, H)
    state = (zeros, zeros) if cell.mode == "LSTM" else zeros
    flags = (
        True,
        1,
        0.0,
        False,
        False,
        True,
    )  # biases, layers, dropout, training, both ways, batch first
    states, *last = KERNELS[cell.mode](x, state, list(cell.parameters()), *flags)
    expected, expected_last = cell(x)
    assert torch.equal(states, expected)
    assert torch.equal(last[0], expected_last[0] if cell.mode == "LSTM" else expected_last)


def test_unidirectional_encoder_does_not_see_later_steps():
    for kind in ("lstm", "gru", "rnn", "cnn"):
        encoder, _ = make(kind, num_layers=3, bidirectional=False)
        x = torch.randn(B, T, E)
        later = torch.cat([x[:, :3], torch.randn(B, T - 3, E)], dim=1)
        full = torch.full((B,), T)
        assert torch.equal(encoder.eval()(x, full)[0][:, :3], encoder(later, full)[0][:, :3])
        assert not torch.equal(encoder(x, full)[0][:, 3:], encoder(later, full)[0][:, 3:])


@EVERY_CELL
def test_recurrent_dropout_drops_the_same_weights_at_all_steps_and_rescales(kind, activation):
    torch.manual_seed(6)
    cell = perturbed(recurrence(kind, E, H, activation=activation))
    x = torch.randn(B, T, E)
    torch.manual_seed(7)
    found, _ = run_recurrence(cell, x, (), weight_dropout=0.5)
    torch.manual_seed(7)
    kept = torch.nn.functional.dropout(torch.ones_like(cell.weight_hh_l0), 0.5)
    assert set(kept.flatten().tolist()) == {0.0, 2.0}
    cell.weight_hh_l0.data.mul_(kept)
    torch.testing.assert_close(found, by_steps(cell, x, kind, activation), rtol=1e-4, atol=1e-5)


def test_recurrent_dropout_applies_in_training_only():
    encoder, _ = make(recurrent_dropout=0.5, dropout=0.0)
    x = torch.randn(B, T, E)
    assert not torch.equal(encoder(x, LENGTHS)[0], encoder(x, LENGTHS)[0])
    assert torch.equal(encoder.eval()(x, LENGTHS)[0], encoder(x, LENGTHS)[0])


def convolved_by_hand(conv, x, left):
    """One convolution and its ReLU over one sequence (T, E): a sum over kernel positions."""
    width = conv.kernel_size[0]
    dilation = conv.dilation[0]
    rows = []
    for t in range(len(x)):
        total = conv.bias.clone()
        for tap in range(width):
            position = t - left + tap * dilation
            if 0 <= position < len(x):
                total = total + conv.weight[:, :, tap] @ x[position]
        rows.append(torch.relu(total))
    return torch.stack(rows)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, True), (3, True), (3, False)])
def test_convolution_follows_its_equation_at_every_step(num_layers, bidirectional, residual):
    encoder, _ = make("cnn", num_layers=num_layers, bidirectional=bidirectional, residual=residual)
    x = torch.randn(B, T, E)
    states, largest = encoder.eval()(x, LENGTHS)
    for i, length in enumerate(LENGTHS.tolist()):
        row = x[i, :length]
        lefts = [(w - 1) // 2 if bidirectional else w - 1 for w in (3, 4, 5)]
        hidden = torch.cat(
            [convolved_by_hand(c, row, left) for c, left in zip(encoder.first, lefts, strict=True)],
            dim=1,
        )
        for layer, conv in enumerate(encoder.above, 1):
            above = convolved_by_hand(conv, hidden, 2**layer if bidirectional else 2 ** (layer + 1))
            hidden = hidden + above if residual else above
        torch.testing.assert_close(states[i, :length], hidden, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(largest[i], hidden.amax(0), rtol=1e-4, atol=1e-5)


def test_convolutional_encoder_has_the_width_of_a_recurrent_one():
    for changes in ({}, {"bidirectional": False}):
        settings = TrainSettings(hidden_size=H, **changes)
        assert Convolutional(E, settings).output_size == Recurrent(E, settings).output_size
        states, largest = Convolutional(E, settings)(torch.randn(B, T, E), LENGTHS)
        width = Recurrent(E, settings).output_size
        assert (states.shape, largest.shape) == ((B, T, width), (B, width))


@given(st.integers(0, 50), st.integers(1, 6))
def test_kernel_shares_are_integers_and_as_even_as_possible(total, num):
    found = shares(total, num)
    assert (sum(found), len(found)) == (total, num)
    assert max(found) - min(found) <= 1


@pytest.mark.parametrize("kind", CELLS)
def test_each_recurrent_gate_is_initialized_orthogonal(kind):
    for gate in recurrence(kind, E, H).weight_hh_l0.detach().split(H):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(H), rtol=0, atol=1e-5)


def test_only_the_forget_gate_of_an_lstm_is_initialized_open():
    cell = recurrence("lstm", E, H)
    assert (cell.bias_ih_l0 + cell.bias_hh_l0).tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H


def packed_reference(encoder, kind, num_layers):
    """PyTorch's own bidirectional network with the encoder's weights."""
    reference = CELLS[kind](E, H, num_layers=num_layers, batch_first=True, bidirectional=True)
    for layer in range(num_layers):
        for cells, suffix in ((encoder.forwards, ""), (encoder.backwards, "_reverse")):
            for name in ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"):
                getattr(reference, f"{name}{layer}{suffix}").data.copy_(
                    getattr(cells[layer], f"{name}0")
                )
    return reference


def run_packed(reference, x):
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    states, last = reference(packed)
    h = last[0] if isinstance(last, tuple) else last
    return pad_packed_sequence(states, batch_first=True)[0], torch.cat([h[-2], h[-1]], dim=1)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_encoder_equals_packed_sequences_in_values_and_gradients(kind, num_layers):
    torch.manual_seed(2)
    settings = TrainSettings(encoder=kind, hidden_size=H, num_layers=num_layers, dropout=0.0)
    encoder = perturbed(Recurrent(E, settings))
    reference = packed_reference(encoder, kind, num_layers)
    x = torch.randn(B, T, E)
    mask = (torch.arange(T) < LENGTHS[:, None])[:, :, None]
    upstream = torch.randn(B, T, 2 * H)
    upstream_last = torch.randn(B, 2 * H)
    found = []
    for run in (lambda x: encoder(x, LENGTHS), lambda x: run_packed(reference, x)):
        leaf = x.clone().requires_grad_()
        states, last = run(leaf)
        ((states * mask * upstream).sum() + (last * upstream_last).sum()).backward()
        found.append((states * mask, last, leaf.grad))
    ours, theirs = found
    weights = [
        p.grad
        for pair in zip(encoder.forwards, encoder.backwards, strict=True)
        for c in pair
        for p in c.parameters()
    ]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        weights, [p.grad for p in reference.parameters()], rtol=1e-4, atol=1e-5
    )


def test_encoder_returns_states_of_both_directions_per_step_and_a_final_one():
    states, last = Recurrent(E, TrainSettings(hidden_size=H))(torch.randn(B, T, E), LENGTHS)
    assert (states.shape, last.shape) == ((B, T, 2 * H), (B, 2 * H))


@pytest.mark.parametrize(("num_layers", "is_random"), [(1, False), (2, True)])
def test_encoder_applies_dropout_between_its_layers_only(num_layers, is_random):
    encoder = Recurrent(E, TrainSettings(hidden_size=H, num_layers=num_layers, dropout=0.5))
    x = torch.randn(B, T, E)
    assert torch.equal(encoder(x, LENGTHS)[0], encoder(x, LENGTHS)[0]) != is_random


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "cnn"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_values_at_padding_do_not_reach_real_states(kind, bidirectional):
    encoder, _ = make(
        kind, num_layers=2, bidirectional=bidirectional, layer_norm=True, residual=True
    )
    x = torch.randn(B, T, E)
    encoder.eval()
    mask = torch.arange(T) < LENGTHS[:, None]
    noisy = torch.where(mask[:, :, None], x, 1e3 * torch.randn_like(x))
    states, last = encoder(x, LENGTHS)
    other, other_last = encoder(noisy, LENGTHS)
    assert torch.equal(states[mask], other[mask])
    assert torch.equal(last, other_last)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 3))
def test_reversal_mirrors_real_steps_and_keeps_padding(lengths, more):
    num_steps = max(lengths) + more
    x = torch.arange(len(lengths) * num_steps).view(len(lengths), num_steps, 1)
    index = reversal(torch.tensor(lengths), num_steps)
    expected = [
        row[:n][::-1] + row[n:] for row, n in zip(x[:, :, 0].tolist(), lengths, strict=True)
    ]
    assert gather_steps(x, index)[:, :, 0].tolist() == expected


def test_locked_dropout_drops_a_unit_at_all_steps_or_none():
    torch.manual_seed(4)
    dropped = LockedDropout(0.5)(torch.ones(B, T, 50))
    assert torch.equal(dropped, dropped[:, :1].expand(-1, T, -1))
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}  # kept units make up for the dropped


def test_locked_dropout_does_nothing_outside_training():
    x = torch.randn(B, T, H)
    assert torch.equal(LockedDropout(0.5).eval()(x), x)


def embedding(**changes):
    torch.manual_seed(5)
    module = Embedding(9, TrainSettings(embedding_size=E, dropout=0.0, **changes))
    nn.init.normal_(module.table.weight.data[PAD_ID])  # unlike the rows of other ids
    return module


def test_padding_is_initialized_as_zeros():
    assert not Embedding(9, TrainSettings()).table.weight[PAD_ID].any()


def test_token_dropout_replaces_its_share_of_tokens_and_never_padding():
    module = embedding(token_dropout=0.25)
    ids = torch.full((50, 80), 7)
    ids[:, 60:] = PAD_ID
    vectors = module(ids)
    is_unknown = (vectors == module.table.weight[UNK_ID]).all(2)
    assert torch.equal(vectors[:, 60:], module.table.weight[PAD_ID].expand(50, 20, E))
    assert is_unknown[:, :60].float().mean() == pytest.approx(0.25, abs=0.03)


def test_token_dropout_does_nothing_outside_training():
    module = embedding(token_dropout=0.9).eval()
    ids = torch.randint(0, 9, (B, T))
    assert torch.equal(module(ids), module.table.weight[ids])


def test_word_vectors_initialize_known_ids_only():
    module = embedding()
    vectors = torch.randn(9, E)
    before = module.table.weight.detach().clone()
    is_known = torch.tensor([i in (4, 7) for i in range(9)])
    module.start_from(vectors, is_known, is_tuned=True)
    assert torch.equal(module.table.weight[is_known], vectors[is_known])
    assert torch.equal(module.table.weight[~is_known], before[~is_known])


@pytest.mark.parametrize("is_tuned", [True, False])
def test_word_vectors_are_trained_only_when_set(is_tuned):
    module = embedding()
    module.start_from(torch.randn(9, E), torch.ones(9, dtype=torch.bool), is_tuned=is_tuned)
    assert module.table.weight.requires_grad == is_tuned


def test_word_vectors_of_another_width_raise_with_the_setting():
    with pytest.raises(
        ValueError, match=r"have 2 numbers each for 9 ids.*has 3 for 9: set embedding_size to 2"
    ):
        embedding().start_from(torch.randn(9, 2), torch.ones(9, dtype=torch.bool), is_tuned=True)

"""Cells against their equations, the bidirectional encoder against PyTorch's packed sequences."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnn_models.batch import PAD_ID, UNK_ID
from rnn_models.encoders import CELLS, BiRecurrent, Embedding, LockedDropout, gather_steps, recurrence, reversal
from rnn_models.settings import TrainSettings

B, T, E, H = 4, 6, 3, 5
LENGTHS = torch.tensor([4, 6, 1, 3])


def lstm_step(x, state, w):
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    h, c = state
    i, f, g, o = (x @ w["xi"] + h @ w["hi"] + w["bi"]).split(H, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(x, state, w):
    """Cho et al. (2014), with the reset gate after the product, as in PyTorch."""
    (h,) = state
    xr, xz, xn = (x @ w["xi"] + w["bx"]).split(H, dim=1)
    hr, hz, hn = (h @ w["hi"] + w["bh"]).split(H, dim=1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return ((1 - z) * torch.tanh(xn + r * hn) + z * h,)


def rnn_step(x, state, w):
    """Elman (1990): H_t = tanh(X_t W_xh + H_{t-1} W_hh + b)."""
    return (torch.tanh(x @ w["xi"] + state[0] @ w["hi"] + w["bi"]),)


def shaken(module):
    """Move all weights off their start, so that no bias is zero."""
    for parameter in module.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return module


@pytest.mark.parametrize(("kind", "step", "num_states"), [("lstm", lstm_step, 2), ("gru", gru_step, 1), ("rnn", rnn_step, 1)])
def test_a_cell_follows_its_equations(kind, step, num_states):
    torch.manual_seed(1)
    cell, x = shaken(recurrence(kind, E, H)), torch.randn(B, T, E)
    bx, bh = cell.bias_ih_l0, cell.bias_hh_l0
    w = {"xi": cell.weight_ih_l0.mT, "hi": cell.weight_hh_l0.mT, "bx": bx, "bh": bh, "bi": bx + bh}
    state, outputs = (torch.zeros(B, H),) * num_states, []
    for t in range(T):
        state = step(x[:, t], state, w)
        outputs.append(state[0])
    torch.testing.assert_close(cell(x)[0], torch.stack(outputs, dim=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_each_recurrent_gate_starts_orthogonal(kind):
    for gate in recurrence(kind, E, H).weight_hh_l0.detach().split(H):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(H), rtol=0, atol=1e-5)


def test_only_the_forget_gate_of_an_lstm_starts_open():
    cell = recurrence("lstm", E, H)
    assert (cell.bias_ih_l0 + cell.bias_hh_l0).tolist() == [0.0] * H + [1.0] * H + [0.0] * 2 * H


def packed_reference(encoder, kind, num_layers):
    """PyTorch's own bidirectional network with the encoder's weights."""
    reference = CELLS[kind](E, H, num_layers=num_layers, batch_first=True, bidirectional=True)
    for layer in range(num_layers):
        for cells, suffix in ((encoder.forwards, ""), (encoder.backwards, "_reverse")):
            for name in ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"):
                getattr(reference, f"{name}{layer}{suffix}").data.copy_(getattr(cells[layer], f"{name}0"))
    return reference


def run_packed(reference, x):
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    states, last = reference(packed)
    h = last[0] if isinstance(last, tuple) else last
    return pad_packed_sequence(states, batch_first=True)[0], torch.cat([h[-2], h[-1]], dim=1)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_the_encoder_equals_packed_sequences_in_values_and_gradients(kind, num_layers):
    torch.manual_seed(2)
    settings = TrainSettings(encoder=kind, hidden_size=H, num_layers=num_layers, dropout=0.0)
    encoder = shaken(BiRecurrent(E, settings))
    reference = packed_reference(encoder, kind, num_layers)
    x = torch.randn(B, T, E)
    mask = (torch.arange(T) < LENGTHS[:, None])[:, :, None]
    upstream, upstream_last, found = torch.randn(B, T, 2 * H), torch.randn(B, 2 * H), []
    for run in (lambda x: encoder(x, LENGTHS), lambda x: run_packed(reference, x)):
        leaf = x.clone().requires_grad_()
        states, last = run(leaf)
        ((states * mask * upstream).sum() + (last * upstream_last).sum()).backward()
        found.append((states * mask, last, leaf.grad))
    ours, theirs = found
    weights = [p.grad for pair in zip(encoder.forwards, encoder.backwards, strict=True) for c in pair for p in c.parameters()]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weights, [p.grad for p in reference.parameters()], rtol=1e-4, atol=1e-5)


def test_an_encoder_says_a_state_of_both_directions_for_each_step_and_one_last():
    states, last = BiRecurrent(E, TrainSettings(hidden_size=H))(torch.randn(B, T, E), LENGTHS)
    assert (states.shape, last.shape) == ((B, T, 2 * H), (B, 2 * H))


@pytest.mark.parametrize(("num_layers", "is_random"), [(1, False), (2, True)])
def test_an_encoder_drops_units_between_its_layers_only(num_layers, is_random):
    encoder, x = BiRecurrent(E, TrainSettings(hidden_size=H, num_layers=num_layers, dropout=0.5)), torch.randn(B, T, E)
    assert torch.equal(encoder(x, LENGTHS)[0], encoder(x, LENGTHS)[0]) != is_random


def test_what_stands_at_padding_does_not_reach_a_real_state():
    torch.manual_seed(3)
    encoder, x = BiRecurrent(E, TrainSettings(hidden_size=H, num_layers=2)).eval(), torch.randn(B, T, E)
    mask = torch.arange(T) < LENGTHS[:, None]
    noisy = torch.where(mask[:, :, None], x, 1e3 * torch.randn_like(x))
    (states, last), (other, other_last) = encoder(x, LENGTHS), encoder(noisy, LENGTHS)
    assert torch.equal(states[mask], other[mask])
    assert torch.equal(last, other_last)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 3))
def test_a_reversal_mirrors_the_real_steps_and_leaves_padding(lengths, more):
    num_steps = max(lengths) + more
    x = torch.arange(len(lengths) * num_steps).view(len(lengths), num_steps, 1)
    index = reversal(torch.tensor(lengths), num_steps)
    expected = [row[:n][::-1] + row[n:] for row, n in zip(x[:, :, 0].tolist(), lengths, strict=True)]
    assert gather_steps(x, index)[:, :, 0].tolist() == expected


def test_locked_dropout_drops_a_unit_at_all_steps_or_at_none():
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
    nn.init.normal_(module.table.weight.data[PAD_ID])  # told apart from other ids
    return module


def test_padding_starts_as_a_vector_of_zeros():
    assert not Embedding(9, TrainSettings()).table.weight[PAD_ID].any()


def test_token_dropout_reads_about_its_share_of_the_tokens_as_unknown_and_never_padding():
    module, ids = embedding(token_dropout=0.25), torch.full((50, 80), 7)
    ids[:, 60:] = PAD_ID
    vectors = module(ids)
    is_unknown = (vectors == module.table.weight[UNK_ID]).all(2)
    assert torch.equal(vectors[:, 60:], module.table.weight[PAD_ID].expand(50, 20, E))
    assert is_unknown[:, :60].float().mean() == pytest.approx(0.25, abs=0.03)


def test_token_dropout_does_nothing_outside_training():
    module, ids = embedding(token_dropout=0.9).eval(), torch.randint(0, 9, (B, T))
    assert torch.equal(module(ids), module.table.weight[ids])

"""One step of a recurrence or of a decoder, its weights prepared once before the first step.

A search shares what training cannot: beams that branch continue from one row of the state, and a
source is in memory once for all its beams.

B sequences, W beams of each, R rows: the beams that still grow; P rows of a state, from each of
which one row or several continue; T source steps, E width of a token, O of an attentional state,
H hidden, G gates, V ids.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from rnn_models.batching.windows import State
from rnn_models.decoding.beam_search import Rows, SearchStep
from rnn_models.layers.attention import Attention, Memory
from rnn_models.layers.embedding import Embedding

# Ids of a projection are a multiple of this many: products whose rows fill no whole registers are
# slower.
ALIGNED = 64


class CellStep(Protocol):
    """A step of a recurrence."""

    def __call__(
        self, added: Tensor, inputs: Tensor, state: State, origin: Tensor | None = None
    ) -> State:
        """Compute the next state.

        Args:
            added: What is added to the gates, (R, G * H).
            inputs: The other inputs, (P, O).
            state: (P, H) each.
            origin: The row of both that each row continues from, (R,); None if they
                are the same rows.
        """


def lstm_step(cell: nn.RNNBase, num_added: int) -> CellStep:
    """Make the step of an LSTM; ``added`` covers the first ``num_added`` of its inputs."""
    from_inputs, from_hidden, _, _ = cell.parameters()
    # Both matrices side by side: one product per step in place of two.
    weights = torch.cat([from_inputs[:, num_added:], from_hidden], dim=1).T

    def step(added: Tensor, inputs: Tensor, state: State, origin: Tensor | None = None) -> State:
        h, c = state
        i, f, g, o = sums(added, torch.cat([inputs, h], dim=1), weights, origin).chunk(4, dim=1)
        # The cell adds and the forget gate scales: the path of gradients that do not vanish.
        c = f.sigmoid() * rows_of(c, origin) + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    return step


def gru_step(cell: nn.RNNBase, num_added: int) -> CellStep:
    """Make the step of a GRU; as in PyTorch, the reset gate applies after the product."""
    from_inputs, from_hidden, _, bias = cell.parameters()
    from_others = from_inputs[:, num_added:].T

    def step(added: Tensor, inputs: Tensor, state: State, origin: Tensor | None = None) -> State:
        (h,) = state
        # Two products, since the reset gate stands between the one of h and the sum.
        xr, xz, xn = sums(added, inputs, from_others, origin).chunk(3, dim=1)
        hr, hz, hn = rows_of(torch.addmm(bias, h, from_hidden.T), origin).chunk(3, dim=1)
        n = (xn + (xr + hr).sigmoid() * hn).tanh()
        return (torch.lerp(n, rows_of(h, origin), (xz + hz).sigmoid()),)

    return step


def rnn_step(cell: nn.RNNBase, num_added: int) -> CellStep:
    """Make the step of a plain recurrence."""
    from_inputs, from_hidden, _, _ = cell.parameters()
    weights = torch.cat([from_inputs[:, num_added:], from_hidden], dim=1).T
    squash = torch.relu if cell.mode == "RNN_RELU" else torch.tanh

    def step(added: Tensor, inputs: Tensor, state: State, origin: Tensor | None = None) -> State:
        return (squash(sums(added, torch.cat([inputs, state[0]], dim=1), weights, origin)),)

    return step


def sums(added: Tensor, inputs: Tensor, weights: Tensor, origin: Tensor | None) -> Tensor:
    """Add ``added`` (R, G * H) to the product of inputs (P, K) and weights (K, G * H)."""
    if origin is None:
        return torch.addmm(added, inputs, weights)
    # Multiplied once per row of the state, then copied to the beams that branch from it.
    return (inputs @ weights).index_select(0, origin).add_(added)


def rows_of(tensor: Tensor, origin: Tensor | None) -> Tensor:
    """Select the row that each beam continues from, (R, H) of (P, H)."""
    return tensor if origin is None else tensor.index_select(0, origin)


STEPS = {"LSTM": lstm_step, "GRU": gru_step, "RNN_TANH": rnn_step, "RNN_RELU": rnn_step}


def gate_bias(cell: nn.RNNBase) -> Tensor:
    """Return the bias of the gates, (G * H,).

    It is the sum of both biases, but a GRU's second one lies inside its reset gate.
    """
    _, _, bias, bias_hidden = cell.parameters()
    return bias if cell.mode == "GRU" else bias + bias_hidden


def decoder_step(
    embedding: Embedding,
    cell: nn.RNNBase,
    attention: Attention,
    projection: tuple[Tensor, Tensor],
    *,
    never_said: Sequence[int],
    width: int,
) -> SearchStep:
    """Make the step of a beam search with an attending decoder.

    The decoder is under input feeding if its cell is wide enough for it.

    Args:
        embedding: Embedding of target ids.
        cell: A recurrence over a token (E), or a token and an attentional state (E + O).
        attention: Attention over the source, whose memory no step changes.
        projection: Weight (V, O) and bias (V,).
        never_said: Ids whose logits are -inf.
        width: W.

    Returns:
        A step whose state is the hidden state and, under input feeding, the last
        attentional state. The beams of a sequence attend to its memory in one
        product, as its time steps do in training.
    """
    from_tokens = next(cell.parameters())[:, : embedding.table.embedding_dim]
    add = gate_bias(cell)
    advance = STEPS[cell.mode](cell, from_tokens.shape[1])
    own = attention.own_weight.T
    weight, bias = aligned(*projection, never_said)
    num_hidden = 2 if cell.mode == "LSTM" else 1
    is_fed = cell.input_size > from_tokens.shape[1]

    def step(rows: Rows, fixed: State, state: State) -> tuple[Tensor, State]:
        hidden = state[:num_hidden]
        memory = Memory(*fixed)
        fed = state[num_hidden] if is_fed else hidden[0][:, :0]
        # Beams often end in the same ids: each distinct one is multiplied once.
        ids, which = torch.unique(rows.ids, return_inverse=True)
        added = linear(embedding(ids[:, None])[:, 0], from_tokens, add)[which]  # (R, G * H)
        hidden = advance(added, fed, hidden, rows.origin)
        # (R, H) to (B * W, H): beams that do not grow have zeros, whose result is ignored.
        queries = (
            hidden[0]
            .new_zeros(len(memory.keys) * width, cell.hidden_size)
            .index_copy_(0, rows.indices, hidden[0])
        )
        looked = attention.look(queries.view(-1, width, cell.hidden_size), memory)  # (B, W, T)
        contexts = torch.bmm(looked, memory.values).flatten(0, 1)[rows.indices]  # (R, O)
        attended = torch.addmm(contexts, hidden[0], own).tanh_()
        return linear(attended, weight, bias), (*hidden, attended) if is_fed else hidden

    return step


def aligned(weight: Tensor, bias: Tensor, never_said: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pad a projection, weight (V, O) and bias (V,), to a multiple of ``ALIGNED`` ids.

    The bias of the ids added, and of forbidden ones, is -inf.
    """
    barred = torch.tensor(never_said, dtype=torch.long, device=bias.device)
    more = -len(bias) % ALIGNED
    wide = pad(weight, (0, 0, 0, more))
    return wide, pad(bias.index_fill(0, barred, float("-inf")), (0, more), value=float("-inf"))

"""One step of a recurrence or of a decoder: what it needs of the weights is made once, before the first step.

B sequences, W beams of each, R rows: those that are growing; T source steps, E width of a token, O of an
attentional state, H hidden, G gates, V ids.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rnn_models.attention import Attention, Memory
from rnn_models.layers import Embedding
from rnn_models.search import State
from rnn_models.search import Step as SearchStep

Step = Callable[[Tensor, Tensor, State], State]
# Floats of a row of logits are a multiple of this many: products whose rows fill no whole registers are slower.
ALIGNED = 64


def lstm_step(cell: nn.RNNBase, num_added: int) -> Step:
    """One step of an LSTM.

    Args:
        cell: Its weights.
        num_added: Inputs of it whose part of the gates is given.

    Returns:
        What is added to the gates, (B, 4 * H) or (4 * H,), all other inputs, and h and c (B, H) to their next.
    """
    from_inputs, from_hidden, _, _ = cell.parameters()
    weights = torch.cat([from_inputs[:, num_added:], from_hidden], dim=1).T

    def step(added: Tensor, inputs: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = torch.addmm(added, torch.cat([inputs, h], dim=1), weights).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    return step


def gru_step(cell: nn.RNNBase, num_added: int) -> Step:
    """One step of a GRU; the reset gate meets the hidden state after its product, as in PyTorch."""
    from_inputs, from_hidden, _, bias = cell.parameters()
    from_others = from_inputs[:, num_added:].T

    def step(added: Tensor, inputs: Tensor, state: State) -> State:
        (h,) = state
        xr, xz, xn = torch.addmm(added, inputs, from_others).chunk(3, dim=1)
        hr, hz, hn = torch.addmm(bias, h, from_hidden.T).chunk(3, dim=1)
        n = (xn + (xr + hr).sigmoid() * hn).tanh()
        return (torch.lerp(n, h, (xz + hz).sigmoid()),)

    return step


def rnn_step(cell: nn.RNNBase, num_added: int) -> Step:
    """One step of a plain recurrence."""
    from_inputs, from_hidden, _, _ = cell.parameters()
    weights = torch.cat([from_inputs[:, num_added:], from_hidden], dim=1).T
    squash = torch.relu if cell.mode == "RNN_RELU" else torch.tanh

    def step(added: Tensor, inputs: Tensor, state: State) -> State:
        return (squash(torch.addmm(added, torch.cat([inputs, state[0]], dim=1), weights)),)

    return step


STEPS = {"LSTM": lstm_step, "GRU": gru_step, "RNN_TANH": rnn_step, "RNN_RELU": rnn_step}


def gate_bias(cell: nn.RNNBase) -> Tensor:
    """What is added to the gates of every token, (G * H,): both biases, but a GRU's second one is within its reset gate."""
    _, _, bias, bias_hidden = cell.parameters()
    return bias if cell.mode == "GRU" else bias + bias_hidden


def decoder_step(
    embedding: Embedding, cell: nn.RNNBase, attention: Attention, projection: tuple[Tensor, Tensor],
    *, never_said: Sequence[int], width: int,
) -> SearchStep:  # fmt: skip
    """A step of a search with an attending decoder, which reads its last attentional state too if its cell has room for it.

    Args:
        embedding: Of ids that are said.
        cell: A recurrence that reads a token (E) or, side by side, token and attentional state (E + O).
        attention: Of its states over the source's; its memory is what is fixed.
        projection: Weight (V, O) and bias (V,).
        never_said: Ids whose logits are -inf.
        width: W.

    Returns:
        A step whose state is the hidden state and, if it is fed, the last attentional state. The beams of a
        sequence ask its memory together, as its time steps do in training, so it is there once for all of them.
    """
    advance, added = STEPS[cell.mode](cell, 0), gate_bias(cell)
    own = attention.own_weight.T
    weight, bias = aligned(*projection, never_said)
    num_hidden, is_fed = 2 if cell.mode == "LSTM" else 1, cell.input_size > embedding.table.embedding_dim

    def step(previous: Tensor, places: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        hidden, fed = state[:num_hidden], state[num_hidden:]
        inputs = torch.cat([embedding(previous[:, None])[:, 0], *fed], dim=1)  # (R, E) or (R, E + O)
        hidden = advance(added, inputs, hidden)
        memory = Memory(*fixed)
        queries = hidden[0].new_zeros(len(memory.keys) * width, cell.hidden_size).index_copy_(0, places, hidden[0])
        looked = attention.look(queries.view(-1, width, cell.hidden_size), memory)  # (B, W, T)
        contexts = torch.bmm(looked, memory.values).flatten(0, 1)[places]  # (R, O)
        said = torch.addmm(contexts, hidden[0], own).tanh_()
        return nn.functional.linear(said, weight, bias), (*hidden, said) if is_fed else hidden

    return step


def aligned(weight: Tensor, bias: Tensor, never_said: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A projection, weight (V, O) and bias (V,), to some ids more; the bias of these, and of what is never said, is -inf."""
    barred = torch.tensor(never_said, dtype=torch.long, device=bias.device)
    more = -len(bias) % ALIGNED
    wide = nn.functional.pad(weight, (0, 0, 0, more))
    return wide, nn.functional.pad(bias.index_fill(0, barred, float("-inf")), (0, more), value=float("-inf"))

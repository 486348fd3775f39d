"""Recurrent layers in one direction or both, exact on padded batches.

A recurrence computes h_t = f(x_t, h_(t-1)) with the same weights at all steps. Autograd unrolls it:
backpropagation through time. Gated cells (LSTM, GRU) add to their state instead of multiplying it,
so a gradient can cross many steps without vanishing.

B sequences, T time steps, E embedding, H hidden, D directions, L layers.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnn_models.batching.windows import State
from rnn_models.devices import has_bfloat16_lstm
from rnn_models.layers.embedding import LockedDropout
from rnn_models.settings import TrainSettings

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
# The functions that the modules call, which torch does not document. They are called here with
# other weights than the module's own, which dropout of recurrent weights needs. A test compares
# each with its module.
KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


def recurrence(
    kind: str, input_size: int, hidden_size: int, *, activation: str = "tanh"
) -> nn.RNNBase:
    """Make one recurrent layer of one direction.

    Recurrent weights start orthogonal: they keep the length of a vector, so a
    gradient neither explodes nor vanishes at first. An LSTM's forget gate
    starts open, so that its cell state lasts until training closes the gate.

    Origin:
        Saxe et al. (2014), orthogonal start; Jozefowicz et al. (2015), forget
        bias of 1.
    """
    options = {"nonlinearity": activation} if kind == "rnn" else {}
    cell = CELLS[kind](input_size, hidden_size, batch_first=True, **options)
    # Each gate has a square matrix of its own; one orthogonal start of all four together would make
    # none of them orthogonal.
    for gate in cell.weight_hh_l0.data.split(hidden_size):
        nn.init.orthogonal_(gate)
    # Keeps the variance of the inputs, whatever the width of an embedding (Glorot and Bengio,
    # 2010).
    nn.init.xavier_uniform_(cell.weight_ih_l0)
    nn.init.zeros_(cell.bias_ih_l0)
    nn.init.zeros_(cell.bias_hh_l0)
    # One of the two biases, which are added up: with both, the forget gate would start at 2.
    if kind == "lstm":  # gates lie in the order input, forget, cell, output
        nn.init.ones_(cell.bias_ih_l0.data[hidden_size : 2 * hidden_size])
    layer: nn.RNNBase = cell
    return layer


def run_recurrence(
    cell: nn.RNNBase, x: Tensor, state: State, *, weight_dropout: float = 0.0, window: int = 0
) -> tuple[Tensor, State]:
    """Run one recurrent layer over some time steps.

    Args:
        cell: Made by ``recurrence``.
        x: (B, T, E).
        state: (B, H) each to continue from; empty to start from zeros.
        weight_dropout: Share of the recurrent weights dropped, the same at all
            steps. A mask on weights keeps all steps in one kernel call, a mask
            on the hidden state would need a call per step.
        window: Steps after which the gradient is cut (truncated BPTT); the state
            continues. 0 for full BPTT.

    Returns:
        Hidden states (B, T, H), and the state after the last step.

    Origin:
        Merity, Keskar and Socher (2018), section 2, for the dropped weights.
    """
    # oneDNN has no LSTM in bfloat16 without AVX-512, and autocast would call it all the same.
    if needs_float32(cell, x):
        with torch.autocast(x.device.type, enabled=False):
            full = tuple(s.float() for s in state)
            return run_recurrence(
                cell, x.float(), full, weight_dropout=weight_dropout, window=window
            )
    weights: list[Tensor] = list(cell.parameters())
    # weights[1] is the matrix from hidden state to gates; inputs have dropout of their own.
    if weight_dropout:
        weights[1] = nn.functional.dropout(weights[1], weight_dropout)
    run = KERNELS[cell.mode]
    # (1, B, H) each: the kernels count layers and directions first.
    carried = [s[None] for s in state] or [x.new_zeros(1, len(x), cell.hidden_size)] * (
        2 if cell.mode == "LSTM" else 1
    )
    parts: list[Tensor] = []
    for part in torch.split(x, window or x.shape[1], dim=1):
        # The next window takes the state as a constant: its gradient ends here.
        carried = [s.detach() for s in carried] if parts else carried
        hidden = tuple(carried) if cell.mode == "LSTM" else carried[0]
        # Biases, one layer, no dropout between layers, one direction, batch first.
        out, *carried = run(part, hidden, weights, True, 1, 0.0, cell.training, False, True)
        parts.append(out)
    # Without windows there is one part: a concatenation would only copy it.
    states = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return states, tuple(s[0] for s in carried)


def needs_float32(cell: nn.RNNBase, x: Tensor) -> bool:
    """Whether autocast would choose bfloat16, which this processor cannot use for the layer."""
    kind = x.device.type
    return cell.mode == "LSTM" and torch.is_autocast_enabled(kind) and not has_bfloat16_lstm(kind)


def read_by_steps(
    cell: nn.RNNBase, x: Tensor, state: State, *, window: int = 0
) -> tuple[list[Tensor], State]:
    """Run like ``run_recurrence`` with one kernel call per step.

    Slower, but each hidden state is a tensor of its own, whose gradient can be measured.

    Returns:
        Hidden states (B, H) of all steps, and the state after the last.
    """
    states = []
    for t in range(x.shape[1]):
        state = tuple(s.detach() for s in state) if window and t and t % window == 0 else state
        _, state = run_recurrence(cell, x[:, t : t + 1], state)
        states.append(state[0])
    return states, state


def reversal(lengths: Tensor, num_steps: int) -> Tensor:
    """Index the steps of each sequence in reverse order.

    Padding stays on the right. Applied twice, the order is the original one.

    Returns:
        Indices (B, T).
    """
    steps = torch.arange(num_steps, device=lengths.device).expand(len(lengths), -1)
    mirrored = lengths[:, None] - 1 - steps
    return torch.where(mirrored >= 0, mirrored, steps)


def gather_steps(x: Tensor, index: Tensor) -> Tensor:
    """Pick time steps: ``x`` (B, T, H) by ``index`` (B, U) to (B, U, H)."""
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


class Recurrent(nn.Module):
    """Layers of a forward and, with ``bidirectional``, a backward recurrence.

    The backward direction reads each sequence from its own last real token, so
    padding never enters a hidden state that counts. Two plain calls on padded
    batches of near-equal lengths beat one call on packed sequences on a CPU,
    which misses oneDNN's kernels.

    A layer's input is added to its output (``residual``, where the widths are
    equal), then each step's states are normalized (``layer_norm``).

    Origin:
        Schuster and Paliwal (1997), bidirectional recurrent networks; Ba, Kiros
        and Hinton (2016), layer norm, here of a layer's outputs and not within
        its gates, so that time stays within one kernel; Wu et al. (2016),
        residual connections between layers.
    """

    def __init__(self, input_size: int, settings: TrainSettings) -> None:
        super().__init__()
        num_directions = 1 + settings.bidirectional
        self.hidden_size = settings.hidden_size
        self.output_size = num_directions * settings.hidden_size
        sizes = [input_size] + [self.output_size] * (settings.num_layers - 1)
        kind = settings.cell
        directions = range(num_directions)
        # Layer by layer and forward before backward: each cell draws its weights when it is made,
        # so the order decides which weights a seed gives.
        make = [
            recurrence(kind, n, self.hidden_size, activation=settings.activation)
            for n in sizes
            for _ in directions
        ]
        self.forwards = nn.ModuleList(make[::num_directions])
        self.backwards = nn.ModuleList(make[1::2] if settings.bidirectional else [])
        self.norms = nn.ModuleList(
            nn.LayerNorm(self.output_size) if settings.layer_norm else nn.Identity() for _ in sizes
        )
        self.is_residual = [settings.residual and n == self.output_size for n in sizes]
        self.dropout = LockedDropout(settings.dropout)
        self.recurrent_dropout = settings.recurrent_dropout
        self.window = settings.bptt_window
        self.num_states = 2 if kind == "lstm" else 1
        # Hidden states by layer, direction and step, while gradient_decay measures.
        self.followed: list[list[Tensor]] | None = None

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Args:
            x: (B, T, E).
            lengths: (B,), at least 1 each.

        Returns:
            Hidden states (B, T, D * H), without meaning at padding, and the last
            state of each direction, (B, D * H).
        """
        ends = lengths[:, None] - 1
        if not self.backwards:
            x, _ = self.continue_from(x, ())
            return x, gather_steps(x, ends).squeeze(1)
        backwards = reversal(lengths, x.shape[1])
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            # The input of the first layer has had its dropout in the embedding.
            inputs = x if layer == 0 else self.dropout(x)
            states, _ = self._read(ahead, inputs, ())  # (B, T, H)
            mirrored, _ = self._read(back, gather_steps(inputs, backwards), ())
            # Back in the order of time: (B, T, H) and (B, T, H) to (B, T, D * H).
            both = torch.cat([states, gather_steps(mirrored, backwards)], dim=2)
            x = self._finish(layer, x, both)
        # The forward direction ends at the last token, the backward direction at the first.
        last = gather_steps(x[:, :, : self.hidden_size], ends).squeeze(1)
        return x, torch.cat([last, x[:, 0, self.hidden_size :]], dim=1)

    def continue_from(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Continue from a state, in one direction.

        Args:
            x: (B, T, E).
            state: The state after the steps before; empty at a start.

        Returns:
            Hidden states (B, T, H), and the state to continue from.
        """
        after: list[Tensor] = []
        for layer, cell in enumerate(self.forwards):
            inputs = x if layer == 0 else self.dropout(x)
            states, last = self._read(
                cell, inputs, state[layer * self.num_states :][: self.num_states]
            )
            x = self._finish(layer, x, states)
            after += last
        return x, tuple(after)

    def _read(self, cell: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        assert isinstance(cell, nn.RNNBase)
        if self.followed is not None:
            steps, after = read_by_steps(cell, x, state, window=self.window)
            self.followed.append(steps)
            return torch.stack(steps, dim=1), after
        dropped = self.recurrent_dropout if self.training else 0.0
        return run_recurrence(cell, x, state, weight_dropout=dropped, window=self.window)

    def _finish(self, layer: int, inputs: Tensor, states: Tensor) -> Tensor:
        finished: Tensor = self.norms[layer](inputs + states if self.is_residual[layer] else states)
        return finished

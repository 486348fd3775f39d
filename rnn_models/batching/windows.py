"""Windows of truncated BPTT: spans of time steps, and the state carried from one to the next.

Backpropagation through time unrolls a recurrence over all its steps, so memory and time grow with
the length of a text. Truncated, it unrolls one window at a time: the hidden state is carried on,
the gradient stops at the window's edge.

Shapes: B sequences, W steps of a window.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

State = tuple[Tensor, ...]  # (B, H) each, layer by layer: h, of an LSTM h and c


@dataclass(frozen=True)
class Window:
    """A span of time steps of some sequences.

    ``inputs`` and ``targets`` are (B, W): the input ids and the target ids of each
    step. ``lengths`` (B,) counts the real steps and may be 0. ``is_start``
    (B,) is True where a sequence begins and the state starts from zeros.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor
    is_start: Tensor
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def num_tokens(self) -> int:
        """Number of real steps."""
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> "Window":
        """Move the tensors to a device."""
        inputs = self.inputs.to(device)
        targets = self.targets.to(device)
        return Window(
            inputs, targets, self.lengths.to(device), self.is_start.to(device), self.indices
        )


def bptt_windows(whole: Window, size: int) -> Iterator[Window]:
    """Cut sequences along time into windows of at most ``size`` steps.

    Gradients stop at a window's edge, the hidden state does not: the caller
    passes it on with ``carry_state``.

    Yields:
        Windows of (B, W), W <= size, without those of padding alone.

    Origin:
        Williams and Peng (1990), truncated backpropagation through time.
    """
    for start in range(0, max(1, int(whole.lengths.max())), size):
        stop = start + size
        yield replace(
            whole,
            inputs=whole.inputs[:, start:stop],
            targets=whole.targets[:, start:stop],
            lengths=(whole.lengths - start).clamp(0, size),
            is_start=whole.is_start & (start == 0),
        )


def carry_state(state: State, is_start: Tensor) -> State:
    """Make the first state of a window: the state before it, without its graph.

    Where ``is_start`` (B,) is True, a new sequence begins and the state is zeros.
    """
    return tuple(s.detach().masked_fill(is_start[:, None], 0.0) for s in state)

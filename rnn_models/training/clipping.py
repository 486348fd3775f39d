"""Gradient clipping: by norm, by value, or by a percentile of the norms so far.

It bounds gradients that explode. It does not help where they vanish; the gates of LSTM and GRU do.
"""

import math
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_models.settings import TrainSettings


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Compute the L2 norm of all gradients together, a scalar."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)


def clip(parameters: Iterable[nn.Parameter], clip_norm: float) -> float:
    """Scale all gradients down together if their norm is above ``clip_norm``.

    The direction stays. BPTT multiplies a gradient by the recurrent weights
    once per time step, so it can grow exponentially with the length; the loss
    surface then has cliffs. A step of bounded length at such a cliff goes no
    farther than any other step.

    Returns:
        The norm before clipping; not finite if any gradient is not.

    Origin:
        Pascanu, Mikolov and Bengio (2013), algorithm 1. As in PyTorch, 1e-6 is
        added to the norm that divides.
    """
    kept = [p for p in parameters if p.grad is not None]
    # One norm over all parameters, not one each: the ratios between layers stay as they are.
    norm = gradient_norm(kept)
    torch.nn.utils.clip_grads_with_norm_(kept, clip_norm, norm)
    return float(norm)


def clip_values(parameters: Iterable[nn.Parameter], clip_value: float) -> tuple[float, bool]:
    """Clamp each element of the gradients to plus and minus ``clip_value``; the direction changes.

    Returns:
        The norm before, and whether any element was clamped.

    Origin:
        Mikolov (2012), section 3.2.2.
    """
    kept = [p for p in parameters if p.grad is not None]
    norm = float(gradient_norm(kept))
    largest = float(largest_gradient(kept))  # before the gradients change in place
    torch.nn.utils.clip_grad_value_(kept, clip_value)
    return norm, largest > clip_value


def largest_gradient(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Find the largest absolute value in all gradients, a scalar."""
    return torch.nn.utils.get_total_norm(
        [p.grad for p in parameters if p.grad is not None], norm_type=math.inf
    )


@dataclass(frozen=True)
class Clipped:
    """The norm before clipping, the largest norm allowed, and whether it was exceeded."""

    norm: float
    allowed: float
    is_clipped: bool


class Clipper:
    """Clips the gradients of each step, and remembers the norms for adaptive clipping.

    Origin:
        Seetharaman et al. (2020), AutoClip, for ``adaptive``: the largest norm
        allowed is a percentile of all norms so far, this step's among them.
    """

    def __init__(self, settings: TrainSettings, norms: Iterable[float] = ()) -> None:
        self.settings = settings
        self.norms: list[float] = []
        self.remember(norms)

    def remember(self, norms: Iterable[float]) -> None:
        """Add the norms of earlier steps, without those that are not finite."""
        # NaN has no place in an order, and infinity would be the largest norm for the rest of a
        # training.
        self.norms = sorted([*self.norms, *(norm for norm in norms if math.isfinite(norm))])

    def __call__(self, parameters: list[nn.Parameter]) -> Clipped:
        """Clip the gradients in place."""
        s = self.settings
        if s.clipping == "value":
            norm, is_clipped = clip_values(parameters, s.clip_value)
            return Clipped(norm, math.inf, is_clipped)
        if s.clipping == "norm":
            norm = clip(parameters, s.clip_norm)
            return Clipped(norm, s.clip_norm, norm > s.clip_norm)
        # A norm that is not finite must not enter the percentile: the step is skipped anyway.
        norm = float(gradient_norm(parameters))
        if s.clipping == "none" or not math.isfinite(norm):
            return Clipped(norm, math.inf, False)
        insort(self.norms, norm)  # sorted at all times: a percentile then needs no search
        allowed = percentile(self.norms, s.clip_percentile)
        clip(parameters, allowed)
        return Clipped(norm, allowed, norm > allowed)


def percentile(ordered: list[float], share: float) -> float:
    """Compute a percentile of sorted numbers, with linear interpolation between two of them."""
    # As numpy.percentile, which would make an array of all norms at every step.
    position = share / 100 * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])

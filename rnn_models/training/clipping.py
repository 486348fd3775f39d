"""Gradients through time: where they are cut, their norm, and the clip that keeps one step from undoing many.

B sequences, T time steps, W steps of a window, H hidden.
"""

import math
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_models.settings import TrainSettings


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """L2 norm of all gradients together, a scalar."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)


def clip(parameters: Iterable[nn.Parameter], clip_norm: float) -> float:
    """Scale all gradients down together if their norm is above ``clip_norm``.

    The direction stays. An RNN's loss surface has cliffs where the gradient
    through many steps explodes; a step of bounded length falls off them no
    farther than any other step goes.

    Returns:
        The norm before clipping; not finite if any gradient is not.

    Origin:
        Pascanu, Mikolov and Bengio (2013), algorithm 1. As in PyTorch, 1e-6 is
        added to the norm that divides.
    """
    kept = [p for p in parameters if p.grad is not None]
    norm = gradient_norm(kept)
    torch.nn.utils.clip_grads_with_norm_(kept, clip_norm, norm)
    return float(norm)


def clip_values(parameters: Iterable[nn.Parameter], clip_value: float) -> tuple[float, bool]:
    """Cut each number of the gradients off at plus and minus ``clip_value``; the direction changes.

    Returns:
        The norm before, and whether any number was cut.

    Origin:
        Mikolov (2012), section 3.2.2.
    """
    kept = [p for p in parameters if p.grad is not None]
    norm = float(gradient_norm(kept))
    largest = float(largest_gradient(kept))
    torch.nn.utils.clip_grad_value_(kept, clip_value)
    return norm, largest > clip_value


def largest_gradient(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Largest absolute value in all gradients, a scalar."""
    return torch.nn.utils.get_total_norm(
        [p.grad for p in parameters if p.grad is not None], norm_type=math.inf
    )


@dataclass(frozen=True)
class Clipped:
    """How a clip went: the norm before it, the largest one allowed, and whether it was above."""

    norm: float
    allowed: float
    is_clipped: bool


class Clipper:
    """Clips step after step as settings say, and remembers the norms of an adaptive clip.

    Origin:
        Seetharaman et al. (2020), AutoClip, for ``adaptive``: the largest norm
        allowed is a percentile of all norms so far, this step's among them.
    """

    def __init__(self, settings: TrainSettings, norms: Iterable[float] = ()) -> None:
        self.settings = settings
        self.norms: list[float] = []
        self.remember(norms)

    def remember(self, norms: Iterable[float]) -> None:
        """Count norms of earlier steps; those that are not finite do not count."""
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
        norm = float(gradient_norm(parameters))
        if s.clipping == "none" or not math.isfinite(norm):
            return Clipped(norm, math.inf, False)
        insort(self.norms, norm)
        allowed = percentile(self.norms, s.clip_percentile)
        clip(parameters, allowed)
        return Clipped(norm, allowed, norm > allowed)


def percentile(ordered: list[float], share: float) -> float:
    """Percentile of numbers in order, between two of them in proportion."""
    place = share / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])

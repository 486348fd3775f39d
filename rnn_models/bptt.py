"""Gradients through time: their norm, and the clip that keeps one step from undoing many."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


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

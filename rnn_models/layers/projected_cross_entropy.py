"""Cross entropy of a projection to ids, some rows at a time, so that their logits stay in the cache.

Left to autograd, the logits of a batch, their softmax and its gradient lie in
memory at the same time, new pages each. Here some rows' logits become their own
gradient, and meet states and weights, before the next rows are begun.

N rows, O of a state, V ids.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

# 8 MB on a CPU, by measurement (SPEED.md). A GPU wants large products: there this only bounds the
# memory.
LOGITS_AT_ONCE = {"cpu": 1 << 21, "cuda": 1 << 26}
REGISTER = 16  # floats of an AVX-512 register


def projected_nats(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    said: Tensor,
    *,
    smoothing: float = 0.0,
    at_once: int = 0,
) -> tuple[Tensor, Tensor]:
    """Cross entropy in nats between the softmax of ``states @ weight.T + bias`` and what was said, summed over all rows.

    Both sums come from the same logits.

    Args:
        states: (N, O).
        weight: (V, O).
        bias: (V,).
        said: Ids, (N,).
        smoothing: Share of each row's target that is spread evenly over all ids.
        at_once: Logits in memory together, but a row at least; 0 is what suits the device.

    Returns:
        The nats with the smoothing, and without it; the second has no gradient.

    Origin:
        Szegedy et al. (2016), section 7, the smoothing.
    """
    num_rows = rows_at_once(at_once or LOGITS_AT_ONCE[states.device.type], len(weight))
    if torch.is_grad_enabled() and len(states) > num_rows:  # with fewer, autograd is as fast
        nats, plain = ProjectedNats.apply(states, weight, bias, said, smoothing, num_rows)  # type: ignore[no-untyped-call]
        return nats, plain
    parts = []
    for rows in stretches(len(states), num_rows):
        logits = linear(states[rows], weight, bias)
        parts.append(torch.stack(smoothed_nats(logits, said[rows], smoothing)))
    nats, plain = torch.stack(parts).sum(0)
    return nats, plain.detach()


def smoothed_nats(logits: Tensor, said: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross entropy of ``logits`` (N, V) in nats, summed, with label smoothing and without; the second has no gradient."""
    nats = cross_entropy(logits, said, reduction="sum", label_smoothing=smoothing)
    if not smoothing:
        return nats, nats.detach()
    known = logits.detach().to(nats.dtype)
    return nats, nats.detach() - smoothing * (
        known.gather(1, said[:, None]).sum() - known.mean(1).sum()
    )


def rows_at_once(num_logits: int, num_ids: int) -> int:
    """Rows with so many logits at most, but one at least; whole registers of them, without which a product takes half more."""
    num = max(1, num_logits // num_ids)
    return num - num % REGISTER if num > REGISTER else num


def stretches(num: int, size: int) -> Iterator[slice]:
    """Cut ``num`` rows into stretches of ``size`` at most; of no rows there is an empty one."""
    return (slice(first, first + size) for first in range(0, max(1, num), size))


class ProjectedNats(torch.autograd.Function):
    """Cross entropy of a projection with its gradients, which only wait to be scaled."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        said: Tensor,
        smoothing: float,
        num_rows: int,
    ) -> tuple[Tensor, Tensor]:
        """Sum the nats of all rows, with the smoothing and without.

        Args:
            ctx: Keeps the gradients.
            states: (N, O).
            weight: (V, O).
            bias: (V,).
            said: (N,).
            smoothing: Share that is spread over all ids.
            num_rows: Rows whose logits are in memory together.
        """
        device = states.device.type
        given = (states, weight, bias)
        kind = (
            torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        )
        x, w, b = (tensor.to(kind) for tensor in given)
        of_states, of_weight, of_bias = (
            torch.zeros_like(tensor) if is_needed else None
            for tensor, is_needed in zip(given, ctx.needs_input_grad[:3], strict=True)
        )
        nats = torch.zeros((), dtype=torch.promote_types(kind, torch.float32), device=states.device)
        plain = torch.zeros_like(nats)
        memory = w.new_empty(len(w), num_rows)
        for rows in stretches(len(x), num_rows):
            more, more_plain, slopes = nats_and_slopes(x[rows], w, b, said[rows], smoothing, memory)
            nats += more
            plain += more_plain
            if of_bias is not None:
                of_bias += slopes.sum(1)
            slopes = slopes.to(kind)
            if of_states is not None:
                of_states[rows] = slopes.T @ w
            if of_weight is not None:
                add_product(of_weight, slopes, x[rows])
        ctx.save_for_backward(of_states, of_weight, of_bias)
        ctx.mark_non_differentiable(plain)
        return nats, plain

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients."""
        return (
            *(found if found is None else found * gradients[0] for found in ctx.saved_tensors),
            None,
            None,
            None,
        )


def nats_and_slopes(
    states: Tensor, weight: Tensor, bias: Tensor, said: Tensor, smoothing: float, memory: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Nats summed over some rows, the same without smoothing, and the gradient of the first by the logits (V, N).

    The gradient is in float32 at least.

    Logits are written to ``memory`` (V, N or more), where they become their
    softmax, and this their gradient.
    """
    logits = torch.addmm(bias[:, None], weight, states.T, out=memory[:, : len(states)])
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits -= logits.amax(0)
    is_said = said[None]
    right = logits.gather(0, is_said).sum()
    nats = (smoothing - 1) * right
    if smoothing:
        nats -= smoothing * logits.mean(0).sum()
    slopes = logits.exp_()
    totals = slopes.sum(0)
    all_ids = totals.log().sum()
    nats += all_ids
    slopes /= totals
    if smoothing:
        slopes -= smoothing / len(weight)
    slopes.scatter_(0, is_said, slopes.gather(0, is_said) + (smoothing - 1))
    return nats, all_ids - right, slopes


def add_product(total: Tensor, one: Tensor, other: Tensor) -> None:
    """Add a product of matrices to a sum, which may have more bits than they."""
    if total.dtype == one.dtype:
        total.addmm_(one, other)
    else:
        total += one @ other

"""Cross entropy of a projection to ids, in chunks of rows whose logits stay in the cache.

With autograd the logits of a batch, their softmax and its gradient are in
memory together, each in new pages. Here the logits of one chunk become their
own gradient in place, and go into the gradients of states and weights before
the next chunk starts.

N rows, O of a state, V ids.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

# 8 MB on a CPU, by measurement (SPEED.md). A GPU needs large products: there the limit only bounds
# memory.
LOGITS_AT_ONCE = {"cpu": 1 << 21, "cuda": 1 << 26}
REGISTER = 16  # floats of an AVX-512 register


def projected_cross_entropy(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    smoothing: float = 0.0,
    at_once: int = 0,
) -> tuple[Tensor, Tensor]:
    """Compute the cross entropy of ``states @ weight.T + bias`` and target ids in nats.

    Both sums, over all rows, come from the same logits.

    Args:
        states: (N, O).
        weight: (V, O).
        bias: (V,).
        targets: Target ids, (N,).
        smoothing: Share of each row's target that is spread evenly over all ids.
        at_once: Logits in memory together, but at least a row; 0 chooses by device.

    Returns:
        The loss with label smoothing, and without it; the second has no gradient.

    Origin:
        Szegedy et al. (2016), section 7, the smoothing.
    """
    num_rows = rows_at_once(at_once or LOGITS_AT_ONCE[states.device.type], len(weight))
    if torch.is_grad_enabled() and len(states) > num_rows:  # with fewer, autograd is as fast
        given = (states, weight, bias, targets, smoothing, num_rows)
        loss, plain = ProjectedCrossEntropy.apply(*given)  # type: ignore[no-untyped-call]
        return loss, plain
    parts = []
    for rows in chunks(len(states), num_rows):
        logits = linear(states[rows], weight, bias)
        parts.append(torch.stack(smoothed_cross_entropy(logits, targets[rows], smoothing)))
    loss, plain = torch.stack(parts).sum(0)
    return loss, plain.detach()


def smoothed_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Compute the summed cross entropy of ``logits`` (N, V) in nats.

    Returns:
        With label smoothing and without; the second has no gradient.
    """
    loss = cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    if not smoothing:
        return loss, loss.detach()
    # The smoothed loss mixes the target's logit with the mean of all; taking that back is cheaper
    # than a second softmax.
    known = logits.detach().to(loss.dtype)
    return loss, loss.detach() - smoothing * (
        known.gather(1, targets[:, None]).sum() - known.mean(1).sum()
    )


def rows_at_once(num_logits: int, num_ids: int) -> int:
    """Count the rows of a chunk of at most ``num_logits`` logits, at least one.

    A multiple of a register's width: with others a product takes half as long again.
    """
    num = max(1, num_logits // num_ids)
    return num - num % REGISTER if num > REGISTER else num


def chunks(num: int, size: int) -> Iterator[slice]:
    """Cut ``num`` rows into chunks of at most ``size``; no rows make one empty chunk."""
    return (slice(first, first + size) for first in range(0, max(1, num), size))


class ProjectedCrossEntropy(torch.autograd.Function):
    """Cross entropy of a projection, with gradients computed in the forward pass.

    The loss is a scalar, so the backward pass only scales them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        num_rows: int,
    ) -> tuple[Tensor, Tensor]:
        """Sum the loss over all rows, with label smoothing and without.

        Args:
            ctx: Keeps the gradients.
            states: (N, O).
            weight: (V, O).
            bias: (V,).
            targets: (N,).
            smoothing: Share that is spread over all ids.
            num_rows: Rows whose logits are in memory together.
        """
        device = states.device.type
        given = (states, weight, bias)
        kind = (
            torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        )
        # Autocast does not reach into a custom function, so the casts are made here.
        x, w, b = (tensor.to(kind) for tensor in given)
        of_states, of_weight, of_bias = (
            torch.zeros_like(tensor) if is_needed else None
            for tensor, is_needed in zip(given, ctx.needs_input_grad[:3], strict=True)
        )
        # In float32 at least: a sum of thousands of terms in bfloat16 would lose the small ones.
        loss = torch.zeros((), dtype=torch.promote_types(kind, torch.float32), device=states.device)
        plain = torch.zeros_like(loss)
        # One buffer for all chunks: it stays in the cache.
        memory = w.new_empty(len(w), num_rows)
        for rows in chunks(len(x), num_rows):
            part, part_plain, gradient = loss_and_gradient(
                x[rows], w, b, targets[rows], smoothing, memory
            )
            loss += part
            plain += part_plain
            if of_bias is not None:
                of_bias += gradient.sum(1)
            gradient = gradient.to(kind)
            if of_states is not None:
                of_states[rows] = gradient.T @ w
            if of_weight is not None:
                add_product(of_weight, gradient, x[rows])
        # Gradients and not logits are kept: (N, O) and (V, O) in place of (N, V).
        ctx.save_for_backward(of_states, of_weight, of_bias)
        ctx.mark_non_differentiable(plain)
        return loss, plain

    @staticmethod
    # The gradients are constants by now: a second derivative would be wrong without an error.
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients."""
        return (
            *(found if found is None else found * gradients[0] for found in ctx.saved_tensors),
            None,
            None,
            None,
        )


def loss_and_gradient(
    states: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, memory: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the loss of some rows and its gradient by the logits.

    Logits are written to ``memory`` (V, N or more) and become there first
    their softmax, then their gradient.

    Returns:
        The loss with label smoothing and without, summed, and the gradient of
        the first (V, N), in float32 at least.
    """
    logits = torch.addmm(bias[:, None], weight, states.T, out=memory[:, : len(states)])
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits -= logits.amax(0)  # the softmax does not change, and no exp overflows
    target = targets[None]
    # Read before the logits are overwritten by their softmax.
    right = logits.gather(0, target).sum()
    loss = (smoothing - 1) * right
    if smoothing:
        loss -= smoothing * logits.mean(0).sum()
    gradient = logits.exp_()
    totals = gradient.sum(0)
    all_ids = totals.log().sum()
    loss += all_ids
    gradient /= totals
    if smoothing:
        gradient -= smoothing / len(weight)
    # The gradient of cross entropy by a logit is the probability less the target's share.
    gradient.scatter_(0, target, gradient.gather(0, target) + (smoothing - 1))
    return loss, all_ids - right, gradient


def add_product(total: Tensor, one: Tensor, other: Tensor) -> None:
    """Add a matrix product to a sum, which may have more bits than the factors."""
    if total.dtype == one.dtype:
        total.addmm_(one, other)
    else:
        total += one @ other

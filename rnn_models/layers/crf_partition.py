"""The log partition of a linear chain with its own gradient: one product per step, no autograd.

B sequences, T time steps, K tags.
"""

import math
from typing import Any

import torch
from torch import Tensor

from rnn_models.batching.batch import length_mask
from rnn_models.layers.recurrent import gather_steps, reversal

Gradients = tuple[Tensor | None, ...]
# A float64 reaches from exp(-708) to exp(709). Both limits, in nats, leave a margin within it.
MOST_NATS = 500.0  # between the largest and the smallest sum of one step
BETWEEN = 50.0  # growth or decay of sums from one scaling to the next
MOST_STEPS = 8  # searched for a path from any tag to any other; BIO needs 2, BIOES 3


def mixing_steps(allowed: Tensor, start: Tensor, end: Tensor) -> int:
    """Find the number of steps in exactly which every tag is reached from every tag.

    Args:
        allowed: (K, K), True where the row's tag may be followed by the column's.
        start: (K,), True where a sequence may start with the tag.
        end: (K,), True where a sequence may end with the tag.

    Returns:
        0 where there is no such number up to ``MOST_STEPS``, or where some
        shorter sequence has no allowed path.
    """
    # Powers of the transition graph's matrix: reached[i, j] after num steps.
    reached = torch.eye(len(allowed), dtype=torch.bool)
    for num in range(1, MOST_STEPS + 1):
        if not (reached[start][:, end]).any():
            return 0
        # As numbers: torch has no product of boolean matrices.
        reached = (reached.float() @ allowed.float()) > 0
        if reached.all():
            return num
    return 0


def steps_between(emissions: Tensor, lengths: Tensor, weights: list[Tensor], mixing: int) -> int:
    """Find how many steps scaled sums may take before they are scaled again.

    A tag's score is never further below the best than the cost of ``mixing``
    steps, twice that where both directions meet. So the widest step bounds all
    sums, and none leaves the range of a float64.

    Args:
        emissions: (B, T, K).
        lengths: (B,).
        weights: Transitions, start and end scores.
        mixing: The result of ``mixing_steps``.

    Returns:
        0 where scores lie too far apart for scaled sums.
    """
    widths = (emissions.amax(2) - emissions.amin(2)).masked_fill(
        ~length_mask(lengths, emissions.shape[1]), 0.0
    )
    spreads = [widths.amax(), *(w.amax() - w.amin() for w in weights)]
    widest, moves, start, end = torch.stack([spread.double() for spread in spreads]).tolist()
    # K equal terms make a sum larger than each of them by a factor of K.
    step = widest + moves + math.log(emissions.shape[2])
    # Written as "not <=": a NaN counts as too far apart.
    if not mixing or not (2 * mixing + 1) * step + start + end <= MOST_NATS:
        return 0
    return max(1, int(BETWEEN / step)) if step else emissions.shape[1]


class LogPartition(torch.autograd.Function):
    """Log of the sum over all paths; its gradient is the probability of each tag and transition.

    With M = e^transitions, a_0 = e^start before the sequence and b_(T+1) = e^end behind it:

        a_t = (a_(t-1) M) * e^(x_t),    b_t = (M b_(t+1)) * e^(x_t)

    Both are one recursion, b over the reversed sequence. Each is divided by its sum after some
    steps, in float64.

    Origin:
        Rabiner (1989), the forward and backward recursions and section V.A,
        their scaling. Ours lets b count the step's own emission too, so that
        both directions take the same steps.
    """

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        lengths: Tensor,
        transitions: Tensor,
        start: Tensor,
        end: Tensor,
        every: int,
    ) -> Tensor:
        """Sum over all paths of each sequence.

        Args:
            ctx: Keeps the tensors for the backward pass.
            emissions: (B, T, K).
            lengths: (B,).
            transitions: (K, K).
            start: (K,).
            end: (K,).
            every: Steps from one scaling to the next, from ``steps_between``.

        Returns:
            (B,).
        """
        mirrored = reversal(lengths, emissions.shape[1])
        mask = length_mask(lengths, emissions.shape[1])
        # Zeros at padding: a NaN there would stay NaN even times a mask of 0.
        nats = emissions.double().masked_fill(~mask[:, :, None], 0.0)
        highest = nats.amax(2, keepdim=True)
        moves = transitions.double().exp()
        edges = torch.stack([start, end]).double().exp()
        # The maximum of each step is taken out and added again as a log: no emission overflows.
        seen = (nats - highest).exp()  # (B, T, K)
        sums, scales = both_sums(
            torch.stack([seen, gather_steps(seen, mirrored)]).permute(2, 0, 1, 3),
            moves,
            edges,
            every,
        )
        # (B, T, K)
        ahead = sums[:, 0].transpose(0, 1)
        back = gather_steps(sums[:, 1].transpose(0, 1), mirrored)
        ctx.dtypes = [x.dtype for x in (emissions, transitions, start, end)]
        ctx.save_for_backward(ahead, back, seen, scales[:, 0].T, moves, mask, lengths)
        # The forward sum of the last real step, with the end: the partition.
        last = gather_steps(ahead, lengths[:, None] - 1)[:, 0] @ edges[1]
        scaled = ((highest.squeeze(2) + scales[:, 0].T.log()) * mask).sum(1)
        return (last.log() + scaled).to(torch.result_type(emissions, transitions))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        """Return probabilities of tags and transitions, weighted by each sequence's gradient."""
        ahead, back, seen, scales, moves, mask, lengths = ctx.saved_tensors
        together = ahead * back / seen  # both include the step's emission, which counts once
        totals = together.sum(2)  # (B, T)
        weights = gradients[0].double()[:, None] * mask
        of_emissions = together * (weights / totals)[:, :, None]
        # A transition's probability joins the forward sum before it and the backward sum after it;
        # all steps and sequences add up in one product.
        before = ahead[:, :-1] * (weights / (totals * scales))[:, 1:, None]
        of_moves = moves * (before.flatten(0, 1).T @ back[:, 1:].flatten(0, 1))
        of_end = gather_steps(of_emissions, lengths[:, None] - 1).sum((0, 1))
        found = (of_emissions, of_moves, of_emissions[:, 0].sum(0), of_end)
        of_emissions, *others = (x.to(dtype) for x, dtype in zip(found, ctx.dtypes, strict=True))
        return of_emissions, None, *others, None


def both_sums(seen: Tensor, moves: Tensor, edges: Tensor, every: int) -> tuple[Tensor, Tensor]:
    """Compute the recursion of both directions over all steps.

    Args:
        seen: (T, 2, B, K), e to the emissions, reversed in the second half.
        moves: (K, K).
        edges: (2, K), of start and end.
        every: Steps from one scaling to the next.

    Returns:
        Sums (T, 2, B, K), and their divisors at each step, (T, 2, B).
    """
    sums = torch.empty_like(seen, memory_format=torch.contiguous_format)
    scales = seen.new_ones(seen.shape[:3])
    # (2, K, K): forward and backward as one batched product per step.
    both = torch.stack([moves, moves.T])
    steps = sums.unbind()
    # Each step is written where the backward pass reads it: a list of steps would be stacked, which
    # copies all of them.
    torch.mul(seen[0], edges[:, None], out=steps[0])
    for t, emitted in enumerate(seen.unbind()):
        if t:
            torch.bmm(steps[t - 1], both, out=steps[t]).mul_(emitted)
        if t % every == 0:
            scales[t] = steps[t].sum(2)
            steps[t].div_(scales[t, :, :, None])
    return sums, scales

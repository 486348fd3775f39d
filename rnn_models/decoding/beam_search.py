"""Beam search for the best target texts, a batch at a time.

B sequences, W beams of each, V ids, U ids of a beam so far, C candidates of a beam; R rows: the
beams that still grow, of all sequences concatenated; P rows of a state: those of the last step that
some row continues from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID
from rnn_models.batching.windows import State
from rnn_models.decoding.top_k import candidates

NEVER = float("-inf")


class Rows(NamedTuple):
    """The growing beams, (R,) each: last ids, indices among the B * W beams, rows of the state."""

    ids: Tensor
    indices: Tensor
    origin: Tensor


# From rows, tensors that no step changes (B rows each) and the state (P rows each) to logits (R, V
# or more, the others -inf), which the search overwrites, and the next state (R rows each).
SearchStep = Callable[[Rows, State, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Hypothesis:
    """A text as ids, without special ids, and its score: log probability by length."""

    ids: list[int]
    score: float


def beam_search(
    step: SearchStep,
    state: State,
    *,
    width: int,
    max_lengths: Tensor,
    length_penalty: float,
    num_best: int,
    fixed: State = (),
) -> list[list[Hypothesis]]:
    """Decode a batch with beams.

    A finished beam keeps its rank and its score, so it competes with longer
    ones until the end, but no step is computed for it. A sequence leaves the
    batch when no other text can become one of its best. Of equal scores the one
    with the better parent is first. With ``width`` 1 this is greedy decoding.

    Args:
        step: One decoder step for all rows.
        state: Tensors with B rows each.
        width: Beams per sequence, W.
        max_lengths: (B,), steps after which a sequence is cut off.
        length_penalty: The score is the log probability divided by the length,
            its end included, to this power, at least 0.
        num_best: Hypotheses of each sequence, at most W.
        fixed: Tensors with B rows each that no step changes; a step gets the rows
            of the sequences that are not over.

    Returns:
        The best hypotheses of each sequence, best first; fewer than ``num_best``
        where there are not as many texts.

    Origin:
        Graves (2012), beam search; the length norm of Koehn and Knowles
        (2017), section 3.6: a power of the length, where Wu et al. (2016),
        equation 14, take one of (5 + length) / 6.
    """
    found: list[list[Hypothesis]] = [[] for _ in range(len(max_lengths))]
    beams = Beams.start(len(max_lengths), width, max_lengths.device)
    # Once for the whole batch: the divisor of a length must not depend on what else is in it.
    divisors = powers(max_lengths, length_penalty)
    rows = Rows(beams.ids[:, 0, 0], beams.live_indices(), beams.sequences)
    # Finished beams take no step: the batch shrinks as texts end.
    while len(rows.indices):
        logits, state = step(rows, fixed, state)
        beams, parents = beams.grown(rows.indices, *candidates(logits, width), divisors)
        is_over = beams.are_over(max_lengths[beams.sequences], divisors, num_best)
        for i in is_over.nonzero().flatten().tolist():
            found[int(beams.sequences[i])] = beams.hypotheses(i, num_best)
        grows = beams.is_live & ~is_over[:, None]
        # Beams that branch continue from one row of the state, which a step computes once.
        used, origin = torch.unique(
            torch.searchsorted(rows.indices, parents[grows]), return_inverse=True
        )
        state = tuple(tensor.index_select(0, used) for tensor in state)
        beams, fixed = beams.without(is_over, fixed)
        rows = Rows(beams.ids[:, :, -1][beams.is_live], beams.live_indices(), origin)
    return found


def powers(max_lengths: Tensor, exponent: float) -> Tensor:
    """Compute the divisor of log probabilities for each length up to the longest.

    In float64: powers in float32 round otherwise at the end of a tensor, where
    torch uses no vector instructions, and a text's score would depend on its
    index in the batch.

    Args:
        max_lengths: (B,).
        exponent: The length penalty.

    Returns:
        (longest + 1,), with 1 for the text of no ids.
    """
    longest = max(max_lengths.tolist(), default=0)
    return (
        torch.arange(longest + 1, dtype=torch.float64, device=max_lengths.device).clamp(min=1)
        ** exponent
    ).float()


@dataclass(frozen=True)
class Beams:
    """The beams of the sequences that are not over, best first.

    ``sequences`` (B,) are their indices in the batch; ``ids`` is (B, W, U), all
    else (B, W). ``totals`` are log probabilities, -inf for an unused beam;
    ``scores`` are normalized by length.
    """

    sequences: Tensor
    ids: Tensor
    totals: Tensor
    scores: Tensor
    lengths: Tensor
    is_done: Tensor

    @classmethod
    def start(cls, num: int, width: int, device: torch.device) -> "Beams":
        """Start with one empty text for each sequence."""
        totals = torch.full((num, width), NEVER, device=device)
        totals[:, :1] = 0.0  # one beam alone: W equal ones would find the same text W times
        zeros = torch.zeros(num, width, dtype=torch.long, device=device)
        ids = torch.full((num, width, 1), BOS_ID, device=device)
        return cls(torch.arange(num, device=device), ids, totals, totals, zeros, zeros.bool())

    @property
    def is_live(self) -> Tensor:
        """Which beams grow."""
        return ~self.is_done & (self.totals != NEVER)

    def live_indices(self) -> Tensor:
        """Index the rows among the B * W beams, (R,)."""
        return self.is_live.flatten().nonzero().flatten()

    def grown(
        self, indices: Tensor, values: Tensor, tokens: Tensor, divisors: Tensor
    ) -> tuple["Beams", Tensor]:
        """Grow the beams by one id and keep the best.

        Only the W best ids of a row can be among the W best of its sequence.

        Returns:
            The beams, and the parent of each as an index among the B * W, (B, W).

        Args:
            indices: (R,), the beams that grow, as indices among the B * W.
            values: (R, C), log probabilities of their best ids.
            tokens: (R, C), these ids.
            divisors: (longest + 1,), by length; see ``powers``.
        """
        num, width = self.totals.shape
        totals = values.new_full((num * width, values.shape[1]), NEVER)
        # A finished beam continues as itself, and an unused one stays unused.
        totals[:, 0] = self.totals.flatten()
        totals[indices] = values + self.totals.flatten()[indices, None]
        added = tokens.new_full(totals.shape, PAD_ID)
        added[indices] = tokens
        lengths = self.lengths + self.is_live
        ranked = totals.view(num, width, -1) / divisors[lengths][:, :, None]
        # A stable sort, where topk may order equal scores by chance: equal beams then depend on the
        # device and the batch.
        scores, best = (
            found[:, :width]
            for found in ranked.flatten(1).sort(dim=1, descending=True, stable=True)
        )  # (B, W)
        beam = best // totals.shape[1]
        added = added.view(num, -1).gather(1, best)
        ids = self.ids.gather(1, beam[:, :, None].expand(-1, -1, self.ids.shape[2]))
        grown = Beams(
            self.sequences,
            torch.cat([ids, added[:, :, None]], dim=2),
            totals.view(num, -1).gather(1, best),
            scores,
            lengths.gather(1, beam),
            self.is_done.gather(1, beam) | (added == EOS_ID),
        )
        return grown, beam + width * torch.arange(num, device=beam.device)[:, None]

    def are_over(self, max_lengths: Tensor, divisors: Tensor, num_best: int) -> Tensor:
        """Mark the sequences that are at their longest or whose best texts are decided, (B,)."""
        return self.are_decided(max_lengths, divisors, num_best) | (self.ids.shape[2] > max_lengths)

    def are_decided(self, max_lengths: Tensor, divisors: Tensor, num_best: int) -> Tensor:
        """Mark the sequences whose best texts no growing beam can replace, (B,).

        A log probability never rises, and the longest text has the largest
        divisor: their quotient bounds the score of a growing beam. At equal
        scores the search continues.
        """
        # One growing beam is enough to continue, so the best of them is the bound.
        reach = self.totals.masked_fill(~self.is_live, NEVER).amax(1) / divisors[max_lengths]
        finished = self.scores.masked_fill(~self.is_done, NEVER).topk(num_best, dim=1).values[:, -1]
        return (finished > reach) | ~self.is_live.any(1)

    def hypotheses(self, i: int, num_best: int) -> list[Hypothesis]:
        """Return the best texts of one sequence."""
        rows = zip(self.ids[i, :num_best].tolist(), self.scores[i, :num_best].tolist(), strict=True)
        return [
            Hypothesis(_strip(ids), score)
            for n, (ids, score) in enumerate(rows)
            if n == 0 or score != NEVER  # unused beams have no text
        ]

    def without(self, is_over: Tensor, fixed: State) -> tuple["Beams", State]:
        """Remove the sequences that are over, also from tensors with B rows."""
        if not bool(is_over.any()):
            return self, fixed
        kept = (~is_over).nonzero().flatten()
        parts = (self.sequences, self.ids, self.totals, self.scores, self.lengths, self.is_done)
        return Beams(*(t[kept] for t in parts)), tuple(t[kept] for t in fixed)


def _strip(ids: list[int]) -> list[int]:
    return [i for i in ids if i not in (PAD_ID, BOS_ID, EOS_ID)]

"""A linear-chain conditional random field over tags.

A tagger without one decides each tag alone and may make invalid sequences; a CRF scores whole
sequences, and sums over all of them in time linear in T.

B sequences, T time steps, K tags, N best paths, S segments.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import length_mask
from rnn_models.layers.crf_partition import LogPartition, mixing_steps, steps_between
from rnn_models.layers.recurrent import gather_steps, reversal

# Score of a forbidden transition in training: exp(-1e4) is 0, while -inf would give gradients of
# NaN (inf - inf).
FORBIDDEN = -1e4
NEVER = float("-inf")  # in decoding, where there is no gradient


class CRF(nn.Module):
    """Scores tag sequences by emissions, transitions, a start and an end score.

    Origin:
        Lafferty, McCallum and Pereira (2001); over a BiLSTM, Huang, Xu and Yu
        (2015).
    """

    is_forbidden: Tensor
    is_forbidden_start: Tensor
    is_forbidden_end: Tensor

    def __init__(
        self, allowed: Tensor, allowed_start: Tensor, allowed_end: Tensor, *, is_strict: bool = True
    ) -> None:
        """Make a CRF that decodes allowed sequences only.

        Args:
            allowed: (K, K), True where the row's tag may be followed by the column's.
            allowed_start: (K,), True where a sequence may start with the tag.
            allowed_end: (K,), True where a sequence may end with the tag.
            is_strict: Whether the likelihood, too, sums over allowed paths only.
        """
        super().__init__()
        num_tags = len(allowed)
        self.is_strict = is_strict
        self.mixing = mixing_steps(allowed, allowed_start, allowed_end)
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))
        # Not persistent: they follow from the tags, so a file of weights need not have them.
        self.register_buffer("is_forbidden", ~allowed, persistent=False)
        self.register_buffer("is_forbidden_start", ~allowed_start, persistent=False)
        self.register_buffer("is_forbidden_end", ~allowed_end, persistent=False)

    def steps(self, floor: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return transitions (K, K), starts (K,) and ends (K,), the forbidden ones at ``floor``."""
        return (
            self.transitions.masked_fill(self.is_forbidden, floor),
            self.start.masked_fill(self.is_forbidden_start, floor),
            self.end.masked_fill(self.is_forbidden_end, floor),
        )

    def _likely_steps(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.steps(FORBIDDEN) if self.is_strict else (self.transitions, self.start, self.end)

    def path_score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Score one path of each sequence: ``emissions`` (B, T, K), ``tags`` (B, T) to (B,)."""
        transitions, start, end = self._likely_steps()
        mask = length_mask(lengths, tags.shape[1])
        emitted = (emissions.gather(2, tags[:, :, None]).squeeze(2) * mask).sum(1)
        moved = (transitions[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]).sum(1)
        last = tags.gather(1, lengths[:, None] - 1).squeeze(1)
        score: Tensor = emitted + moved + start[tags[:, 0]] + end[last]
        return score

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Compute the negative log-likelihood of each sequence in nats, (B,)."""
        return self._log_sum(emissions, lengths, self._likely_steps()) - self.path_score(
            emissions, tags, lengths
        )

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Compute the log partition over all allowed paths: (B, T, K) to (B,)."""
        return self._log_sum(emissions, lengths, self.steps(FORBIDDEN))

    def _log_sum(
        self, emissions: Tensor, lengths: Tensor, steps: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        # Without FORBIDDEN, which would make every spread of scores too wide for scaled sums.
        weights = [self.transitions.detach(), self.start.detach(), self.end.detach()]
        every = steps_between(emissions.detach(), lengths, weights, self.mixing)
        if every:
            inputs = (emissions, lengths, *steps, every)
            found: Tensor = LogPartition.apply(*inputs)  # type: ignore[no-untyped-call]
            return found
        # Scores too far apart for scaled sums in float64: sum in logarithms, with autograd.
        transitions, start, end = steps
        return torch.logsumexp(
            _forward_sums(emissions, lengths, transitions, start)[-1] + end, dim=1
        )

    def sums(self, emissions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute forward and backward sums in logarithms.

        Returns:
            Log sums over all allowed paths up to each step and tag, and over all
            paths from there to the end, (B, T, K) each, without meaning at
            padding. The forward sum includes the step's own emission, the
            backward sum does not.

        Origin:
            Rabiner (1989), the forward and backward recursions, in logarithms.
        """
        transitions, start, end = self.steps(NEVER)
        alphas = _forward_sums(emissions, lengths, transitions, start)
        beta = end.expand_as(alphas[0])
        betas = [beta]
        # Backwards from the longest end: a shorter sequence keeps its end scores until its own
        # last step.
        for t in range(emissions.shape[1] - 1, 0, -1):
            # (B, K)
            grown = torch.logsumexp(transitions + (emissions[:, t] + beta)[:, None], dim=2)
            beta = torch.where((t < lengths)[:, None], grown, beta)
            betas.append(beta)
        return torch.stack(alphas, dim=1), torch.stack(betas[::-1], dim=1)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Compute the probability of each tag at each step, (B, T, K); 0 at padding."""
        alphas, betas = self.sums(emissions, lengths)
        scores = alphas + betas
        # The sum over tags is the partition at every step; the first step is real in all rows.
        probabilities = (scores - scores[:, :1].logsumexp(2, keepdim=True)).exp()
        return probabilities * length_mask(lengths, emissions.shape[1])[:, :, None]

    def segment_probabilities(
        self, emissions: Tensor, lengths: Tensor, tags: Tensor, segments: Tensor, goes_on: Tensor
    ) -> Tensor:
        """Compute the probability that a segment has exactly these tags and ends there.

        Args:
            emissions: (B, T, K).
            lengths: (B,).
            tags: (B, T), allowed paths.
            segments: (S, 3): sequence, start, and stop, exclusive.
            goes_on: (K,), the tag that would extend a segment that ends in a tag; -1 for none.

        Returns:
            (S,): of all paths with the tags, minus those on which the segment is longer.

        Origin:
            Culotta and McCallum (2004), the constrained forward sum. Ours
            needs no second recursion: all tags within a segment are given.
        """
        emissions = emissions.double()  # differences of long sums lose digits in float32
        alphas, betas = self.sums(emissions, lengths)
        transitions, _, _ = self.steps(NEVER)
        row, start, stop = segments.unbind(1)
        total = torch.logsumexp(alphas[:, 0] + betas[:, 0], dim=1)[row]
        passed = _passed(emissions, tags, transitions)
        first = tags[row, start]
        last = tags[row, stop - 1]
        ways = alphas[row, start, first] + passed[row, stop - 1] - passed[row, start] - total
        after = stop.clamp(max=tags.shape[1] - 1)
        following = goes_on[last]
        longer = (
            transitions[last, following]
            + emissions[row, after, following]
            + betas[row, after, following]
        )
        # Nothing follows the end of a sequence or a tag that closes its entity. The index -1 of
        # such a tag has read another tag's score, which is replaced here.
        longer = longer.masked_fill((stop >= lengths[row]) | (following < 0), NEVER)
        probabilities = (ways + betas[row, stop - 1, last]).exp() - (ways + longer).exp()
        # Rounding may make the difference of two close numbers negative.
        return probabilities.clamp(0, 1)

    def viterbi(self, emissions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Find the best path.

        Returns:
            Tags (B, T), without meaning at padding, and the paths' scores (B,).

        Origin:
            Viterbi (1967).
        """
        transitions, start, end = self.steps(NEVER)
        backwards = reversal(lengths, emissions.shape[1])
        # Tags before sequences: a step has few tags and many sequences, and its maximum over tags
        # then runs along whole rows.
        first, *others = emissions.permute(1, 2, 0).contiguous().unbind()  # (K, B) each
        best = [start[:, None] + first]
        moves = transitions[:, :, None]
        for emitted in others:
            best.append((best[-1][:, None] + moves).amax(dim=0) + emitted)
        # Trace back from each sequence's own last step, so that no step needs a mask. The forward
        # pass keeps no pointers: the argmax is repeated here, for the tags on the path alone.
        steps = gather_steps(torch.stack(best).permute(2, 0, 1), backwards).unbind(1)  # (B, K) each
        score, tag = (steps[0] + end).max(dim=1)
        path = [tag]
        # A row for each tag that is reached: the trace reads whole rows, which are contiguous.
        arrivals = transitions.T.contiguous()
        for step in steps[1:]:
            tag = (step + arrivals[tag]).argmax(dim=1)
            path.append(tag)
        return torch.stack(path, dim=1).gather(1, backwards), score

    def best_paths(self, emissions: Tensor, lengths: Tensor, num: int) -> tuple[Tensor, Tensor]:
        """Find the ``num`` best paths, best first.

        Returns:
            Tags (B, N, T), without meaning at padding, and the paths' scores
            (B, N): -inf where there are fewer allowed paths.

        Origin:
            Seshadri and Sundberg (1994), parallel list Viterbi decoding: exact.
        """
        transitions, start, end = self.steps(NEVER)
        num_tags = len(start)
        first = start + emissions[:, 0]
        # One way to each tag at first. With all ranks filled, each path would be found N times.
        best = first.new_full((*first.shape, num), NEVER)
        best[:, :, 0] = first  # (B, K, N): the N best ways to each tag
        # At padding each way points to itself, so all traces can start at the last step of the
        # batch.
        stay = torch.arange(num_tags * num, device=best.device).view(1, num_tags, num)
        pointers = []
        for t in range(1, emissions.shape[1]):
            candidates = (best[:, :, :, None] + transitions[:, None]).flatten(1, 2)  # (B, K * N, K)
            scores, pointer = candidates.topk(num, dim=1)  # (B, N, K) each
            is_real = (t < lengths)[:, None, None]
            best = torch.where(is_real, scores.mT + emissions[:, t, :, None], best)
            pointers.append(torch.where(is_real, pointer.mT, stay).flatten(1))
        score, index = (best + end[:, None]).flatten(1).topk(num, dim=1)  # (B, N) each
        path = [index // num]  # an index counts tag and rank together
        for pointer in reversed(pointers):
            index = pointer.gather(1, index)
            path.append(index // num)
        return torch.stack(path[::-1], dim=2), score


def _forward_sums(
    emissions: Tensor, lengths: Tensor, transitions: Tensor, start: Tensor
) -> list[Tensor]:
    """Compute the forward sums of all steps, (B, K) each; padding repeats the last real step."""
    alphas = [start + emissions[:, 0]]
    shortest = int(lengths.min())
    for t in range(1, emissions.shape[1]):
        grown = torch.logsumexp(alphas[-1][:, :, None] + transitions, dim=1) + emissions[:, t]
        # Batches hold near-equal lengths, so most steps lie before the shortest end: no mask.
        alphas.append(
            grown if t < shortest else torch.where((t < lengths)[:, None], grown, alphas[-1])
        )
    return alphas


def _passed(emissions: Tensor, tags: Tensor, transitions: Tensor) -> Tensor:
    """Sum a path's scores from its second step to each step, (B, T); 0 at the first."""
    gained = (
        emissions.gather(2, tags[:, :, None]).squeeze(2)[:, 1:]
        + transitions[tags[:, :-1], tags[:, 1:]]
    )
    return nn.functional.pad(gained.cumsum(1), (1, 0))

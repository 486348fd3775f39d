"""A linear-chain conditional random field over tags.

B sequences, T time steps, K tags.
"""

import torch
from torch import Tensor, nn

from rnn_models.batch import length_mask

FORBIDDEN = -1e4  # in place of -inf, which would make gradients of nothing


class CRF(nn.Module):
    """Scores of tag sequences: emissions, transitions, a start and an end.

    Origin:
        Lafferty, McCallum and Pereira (2001); over a BiLSTM, Huang, Xu and Yu
        (2015).
    """

    is_forbidden: Tensor
    is_forbidden_start: Tensor

    def __init__(self, allowed: Tensor, allowed_start: Tensor) -> None:
        """Make a CRF whose forbidden steps no path takes.

        Args:
            allowed: (K, K), True where the row's tag may be followed by the column's.
            allowed_start: (K,), True where a sequence may start with the tag.
        """
        super().__init__()
        num_tags = len(allowed)
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))
        self.register_buffer("is_forbidden", ~allowed, persistent=False)
        self.register_buffer("is_forbidden_start", ~allowed_start, persistent=False)

    def steps(self) -> tuple[Tensor, Tensor]:
        """Transitions (K, K) and starts (K,) with the forbidden ones far down."""
        return (
            self.transitions.masked_fill(self.is_forbidden, FORBIDDEN),
            self.start.masked_fill(self.is_forbidden_start, FORBIDDEN),
        )

    def path_score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Score one path each: ``emissions`` (B, T, K), ``tags`` (B, T) to (B,)."""
        transitions, start = self.steps()
        mask = length_mask(lengths, tags.shape[1])
        emitted = (emissions.gather(2, tags[:, :, None]).squeeze(2) * mask).sum(1)
        moved = (transitions[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]).sum(1)
        last = tags.gather(1, lengths[:, None] - 1).squeeze(1)
        score: Tensor = emitted + moved + start[tags[:, 0]] + self.end[last]
        return score

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Log of the sum over all paths: (B, T, K) to (B,), by the forward recursion."""
        transitions, start = self.steps()
        alpha = start + emissions[:, 0]  # (B, K)
        shortest = int(lengths.min())
        for t in range(1, emissions.shape[1]):
            grown = torch.logsumexp(alpha[:, :, None] + transitions, dim=1) + emissions[:, t]
            # Most steps stand before the shortest sequence's end and need no mask.
            alpha = grown if t < shortest else torch.where((t < lengths)[:, None], grown, alpha)
        return torch.logsumexp(alpha + self.end, dim=1)

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Negative log likelihood of each sequence in nats, (B,)."""
        return self.log_partition(emissions, lengths) - self.path_score(emissions, tags, lengths)

    def viterbi(self, emissions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Find the best path.

        Returns:
            Tags (B, T), of no meaning at padding, and the paths' scores (B,).

        Origin:
            Viterbi (1967).
        """
        transitions, start = self.steps()
        best = start + emissions[:, 0]  # (B, K)
        pointers = []
        for t in range(1, emissions.shape[1]):
            scores, pointer = (best[:, :, None] + transitions).max(dim=1)  # (B, K) each
            is_real = (t < lengths)[:, None]
            best = torch.where(is_real, scores + emissions[:, t], best)
            stay = torch.arange(best.shape[1], device=best.device).expand_as(pointer)
            pointers.append(torch.where(is_real, pointer, stay))
        score, tag = (best + self.end).max(dim=1)
        path = [tag]
        for pointer in reversed(pointers):
            tag = pointer.gather(1, tag[:, None]).squeeze(1)
            path.append(tag)
        return torch.stack(path[::-1], dim=1), score

"""Search for the best target text, a batch at a time.

B sequences, W beams of each, V ids; "rows" are the B * W beams.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rnn_models.batch import BOS_ID, EOS_ID, PAD_ID

# Previous ids (rows,) and state to log probabilities (rows, V) and the next state.
State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Hypothesis:
    """A text as ids, without special ids, and its score: log probability by length."""

    ids: list[int]
    score: float


def beam_search(step: Step, state: State, *, width: int, max_lengths: Tensor, length_penalty: float) -> list[Hypothesis]:
    """Decode a batch with beams.

    A finished beam keeps its place and its score, so it competes with longer
    ones until the end; a sequence leaves the batch when all its beams are
    finished. With ``width`` 1 this is greedy decoding.

    Args:
        step: One decoder step for all rows.
        state: Tensors with B rows each.
        width: Beams per sequence, W.
        max_lengths: (B,), steps after which a sequence is cut.
        length_penalty: The score is the log probability divided by the length,
            its end included, to this power.

    Returns:
        The best hypothesis of each sequence.

    Origin:
        Graves (2012), beam search; the length norm of Koehn and Knowles
        (2017), section 3.6.
    """
    device, num = max_lengths.device, len(max_lengths)
    found: list[Hypothesis | None] = [None] * num
    alive = torch.arange(num, device=device)
    state = _select(state, alive.repeat_interleave(width))
    total = torch.full((num, width), float("-inf"), device=device)
    total[:, 0] = 0.0  # all beams start equal: only the first may branch
    is_done = torch.zeros(num, width, dtype=torch.bool, device=device)
    ids = torch.full((num, width, 1), BOS_ID, device=device)
    lengths = torch.zeros(num, width, device=device)
    while len(alive):
        log_probabilities, state = step(ids[:, :, -1].reshape(-1), state)
        candidates = _extend(log_probabilities.view(len(alive), width, -1), total, is_done)
        grown = lengths + (~is_done)
        ranked = candidates / grown.clamp(min=1)[:, :, None] ** length_penalty
        best = ranked.flatten(1).topk(width, dim=1).indices  # (B, W)
        beam, token = best // candidates.shape[2], best % candidates.shape[2]
        rows = torch.arange(len(alive), device=device)[:, None]
        total, lengths = candidates.flatten(1).gather(1, best), grown[rows, beam]
        ids = torch.cat([ids[rows, beam], token[:, :, None]], dim=2)
        is_done = is_done[rows, beam] | (token == EOS_ID)
        state = _select(state, (rows * width + beam).flatten())
        is_over = is_done.all(1) | (ids.shape[2] > max_lengths[alive])
        if not bool(is_over.any()):
            continue
        scores = total / lengths**length_penalty
        for i in is_over.nonzero().flatten().tolist():
            place = int(scores[i].argmax())
            found[int(alive[i])] = Hypothesis(_strip(ids[i, place]), float(scores[i, place]))
        kept = (~is_over).nonzero().flatten()
        alive, total, lengths, ids, is_done = (t[kept] for t in (alive, total, lengths, ids, is_done))
        beams = torch.arange(width, device=device)
        state = _select(state, (kept[:, None] * width + beams).flatten())
    return [hypothesis for hypothesis in found if hypothesis is not None]


def _extend(log_probabilities: Tensor, total: Tensor, is_done: Tensor) -> Tensor:
    """Scores of all continuations, (B, W, V); a finished beam only goes on as itself."""
    frozen = torch.full_like(log_probabilities, float("-inf"))
    frozen[:, :, PAD_ID] = 0.0
    return total[:, :, None] + torch.where(is_done[:, :, None], frozen, log_probabilities)


def _select(state: State, rows: Tensor) -> State:
    return tuple(tensor.index_select(0, rows) for tensor in state)


def _strip(ids: Tensor) -> list[int]:
    return [i for i in ids.tolist() if i not in (PAD_ID, BOS_ID, EOS_ID)]

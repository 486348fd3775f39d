"""Sampling of texts from a language model: temperature, top-k, top-p.

B texts, R texts that are not over, V ids, U steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from rnn_models.batching.windows import State
from rnn_models.settings import TrainSettings, check_setting, setting

SamplingStep = Callable[[Tensor, State], tuple[Tensor, State]]
FORBIDDEN = (PAD_ID, UNK_ID, BOS_ID)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How ids are drawn: first the temperature, then ``top_k``, then ``top_p`` of the remaining."""

    temperature: float = setting(1.0, "What divides logits; 0 takes the likeliest.", low=0)
    top_k: int = setting(0, "Ids that may be drawn, the likeliest; 0 for all.", low=0)
    top_p: float = setting(
        1.0, "Probability that the ids that may be drawn have together at least.", low=0, high=1
    )
    max_length: int = setting(1000, "Ids of a text, at most.", low=1)
    is_endless: bool = setting(False, "An <eos> ends a line of the text, not the text.")
    seed: int = setting(1, "Of what is drawn.", low=0)

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_setting(declared, getattr(self, declared.name))

    @classmethod
    def of(cls, s: TrainSettings) -> "Sampling":
        """Take the sampling settings from those of a model."""
        return cls(
            temperature=s.temperature,
            top_k=s.top_k,
            top_p=s.top_p,
            max_length=s.sample_length,
            is_endless=s.joined_texts,
            seed=s.seed,
        )


@dataclass(frozen=True)
class Sample:
    """A drawn text without its end, its negative log-likelihood, and whether it ended."""

    ids: list[int]
    loss: float
    is_ended: bool

    @property
    def mean_probability(self) -> float:
        """Geometric mean of the probabilities of its ids, its end included."""
        return float(np.exp(-self.loss / max(1, len(self.ids) + self.is_ended)))


def probabilities_of(logits: Tensor, sampling: Sampling) -> Tensor:
    """Compute the probabilities from which ids are drawn, (B, V), in float64.

    Args:
        logits: (B, V).
        sampling: The settings.

    Origin:
        Fan, Lewis and Dauphin (2018), top-k; Holtzman et al. (2020), top-p:
        the smallest set of likeliest ids whose probability reaches p.
    """
    # The limit of a temperature towards 0, which as a divisor would overflow.
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).double()
    # float64: the cumulative sum of a large vocabulary loses digits in float32.
    scaled = logits.double() / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[1]:
        highest, ids = scaled.topk(sampling.top_k, dim=1)
        scaled = torch.full_like(scaled, float("-inf")).scatter(1, ids, highest)
    probabilities = scaled.softmax(1)
    if sampling.top_p < 1:
        # A stable sort: equal probabilities would otherwise be ordered by chance.
        ordered, ids = probabilities.sort(dim=1, descending=True, stable=True)
        before = torch.nn.functional.pad(ordered.cumsum(1)[:, :-1], (1, 0))
        # By the sum before an id: the one that crosses p belongs to the set that reaches it.
        is_kept = before < sampling.top_p
        is_kept[:, 0] = True  # the likeliest id stays even with top_p 0
        kept = torch.zeros_like(probabilities).scatter(1, ids, ordered * is_kept)
        probabilities = kept / kept.sum(1, keepdim=True)
    return probabilities


def draw(probabilities: Tensor, chances: Tensor) -> Tensor:
    """Draw an id of each row by the inverse of its distribution function.

    Args:
        probabilities: (B, V).
        chances: (B,), each from 0 up to, but not, 1.

    Returns:
        (B,), never an id of probability 0.
    """
    reached = probabilities.cumsum(1)
    whole = reached[:, -1:]
    # Scaled to the sum, which rounding leaves a little off 1.
    drawn = torch.searchsorted(reached, chances[:, None] * whole, right=True)
    # Rounding could lead behind the last id of positive probability.
    last = (reached < whole).sum(1, keepdim=True)
    return torch.minimum(drawn, last).squeeze(1)


def chances_of(rows: NDArray[np.int64], sampling: Sampling) -> NDArray[np.float64]:
    """Draw a number from 0 to 1 for each step of each text, (B, U).

    The numbers follow from the seed and the text's number alone, so a drawn
    text does not depend on its batch.
    """
    drawn = [
        np.random.default_rng((sampling.seed, int(row))).random(sampling.max_length) for row in rows
    ]
    return np.stack(drawn) if drawn else np.zeros((0, sampling.max_length))


def sample(
    step: SamplingStep, logits: Tensor, state: State, sampling: Sampling, rows: NDArray[np.int64]
) -> list[Sample]:
    """Draw texts in parallel; each step reads one id of each text that is not over.

    Args:
        step: From the last ids (R,) and the state to logits (R, V) of the next
            ids and the next state.
        logits: Logits of the first id of each text, (B, V).
        state: The state after the beginnings of the texts, B rows each.
        sampling: The settings.
        rows: Number of each text, (B,), which seeds its draws.
    """
    chances = torch.from_numpy(chances_of(rows, sampling)).to(logits.device)
    ids = torch.full(chances.shape, PAD_ID, device=logits.device)
    # In float64, like the random numbers: a thousand costs add up without losing digits.
    losses = chances.new_zeros(len(rows))
    never = torch.tensor(FORBIDDEN, device=logits.device)
    live = torch.arange(len(rows), device=logits.device)
    for index in range(sampling.max_length):
        drawn = draw(
            probabilities_of(logits.index_fill(1, never, float("-inf")), sampling),
            chances[live, index],
        )
        ids[live, index] = drawn
        # The score counts the model's own probabilities, whatever the temperature.
        losses[live] -= logits.log_softmax(1).gather(1, drawn[:, None]).squeeze(1).double()
        # Texts that are over leave the batch, and with them their rows of the state.
        if not sampling.is_endless:
            is_endless = (drawn != EOS_ID).nonzero().flatten()
            live = live[is_endless]
            drawn = drawn[is_endless]
            state = tuple(s[is_endless] for s in state)
        if index + 1 == sampling.max_length or not len(live):
            break
        logits, state = step(drawn, state)
    return [
        _sample(row, cost, sampling)
        for row, cost in zip(ids.tolist(), losses.detach().tolist(), strict=True)
    ]


def _sample(ids: list[int], loss: float, sampling: Sampling) -> Sample:
    is_ended = not sampling.is_endless and EOS_ID in ids
    return Sample(ids[: ids.index(EOS_ID)] if is_ended else ids, loss, is_ended)


def run_prompts(model: Any, read: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
    """Run a model over the beginnings of texts, each up to its own end.

    Sorted by length, texts leave the batch where they end, so no state runs
    over padding.

    Args:
        model: From ids (R, W) and a state to states (R, W, H) and the next state;
            ``project`` makes logits of states.
        read: (B, T), padded on the right.
        lengths: (B,), at least 1.

    Returns:
        Logits of the next ids, (B, V), and the state to continue from.
    """
    # Shortest first: after each distinct length the texts that end there are the first rows.
    order = lengths.argsort(stable=True)
    edges, counts = torch.unique(lengths, return_counts=True)
    start = 0
    state = ()
    rows = order
    outputs = list[Tensor]()
    ends = list[State]()
    for stop, num in zip(edges.tolist(), counts.tolist(), strict=True):
        states, state = model(read[rows, start:stop], state)
        outputs.append(model.project(states[:num, -1]))
        ends.append(tuple(s[:num] for s in state))
        rows = rows[num:]
        state = tuple(s[num:] for s in state)
        start = stop
    back = order.argsort()
    whole = tuple(torch.cat(parts)[back] for parts in zip(*ends, strict=True))
    return torch.cat(outputs)[back], whole

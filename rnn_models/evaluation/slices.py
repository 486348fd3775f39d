"""Slices of a test split, and those on which a system is significantly worse than on the whole.

N examples, S statistics, K slices, R resamples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.evaluation.metrics import f1
from rnn_models.evaluation.significance import NUM_RESAMPLES, TOLERANCE, drawn_sums

ALPHA = 0.05  # probability at most that the interval of one of all slices misses
# examples below which an interval is not to be trusted: two that are wrong are wrong in every
# resample
LEAST = 30
MANY_UNKNOWN = 0.1
Masks = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Slice:
    """Examples with something in common, their number and their score; for a class, its F1.

    ``low`` and ``high`` bound the scores of all slices together (Bonferroni):
    each is missed with probability ALPHA / 2K. For a class, ``num_examples``
    counts its references.
    """

    name: str
    num_examples: int
    value: float
    low: float
    high: float
    is_weak: bool


def score_slices(
    metric: Metric,
    statistics: Statistics,
    masks: Mapping[str, NDArray[np.bool_]],
    classes: Mapping[str, Statistics],
) -> list[Slice]:
    """Score slices of a test split.

    A slice is weak if its whole interval is worse than the score of all
    examples. So a system that is equally good everywhere has a weak slice with
    probability ALPHA / 2 at most, however many there are.

    Args:
        metric: The metric.
        statistics: (N, S).
        masks: The examples of each slice, (N,).
        classes: (N, 3) for each class: hits, predictions, references.
    """
    whole = float(metric.score(statistics.sum(0, keepdims=True))[0])
    parts = [
        (name, statistics[mask], metric.score, int(mask.sum())) for name, mask in masks.items()
    ]
    parts += [(name, rows, f1, int(rows[:, 2].sum())) for name, rows in classes.items()]
    found = []
    for name, rows, score, num in parts:
        value, low, high = _bounds(rows, score, ALPHA / len(parts))
        # The end of the interval nearest to a good score: if even that is worse, the slice is weak.
        best = low if metric.is_cost else high
        found.append(
            Slice(
                name, num, value, low, high, num >= LEAST and metric.gain(best, whole) < -TOLERANCE
            )
        )
    return found


def _bounds(
    rows: Statistics, score: Callable[[Statistics], Statistics], alpha: float
) -> tuple[float, float, float]:
    """Compute a score, and the interval that misses it with probability ``alpha``."""
    drawn = np.concatenate([score(sums) for sums in drawn_sums(rows, NUM_RESAMPLES, seed=0)])
    low, high = np.percentile(drawn, [50 * alpha, 100 - 50 * alpha])
    return float(score(rows.sum(0, keepdims=True))[0]), float(low), float(high)


def by_length(lengths: NDArray[np.int64], max_length: int) -> Masks:
    """Group examples in thirds of their tokens (N,), in fewer parts if they are few.

    Those longer than ``max_length`` were cut in training and are a part of their own.
    """
    short = lengths[lengths <= max_length]
    num = min(3, len(short) // LEAST)
    edges = np.quantile(short, np.arange(1, num) / num, method="lower") if num else short[:0]
    spans = [
        (int(lengths[mask].min()), int(lengths[mask].max()), mask)
        for mask in _binned(lengths, [*edges, max_length])
    ]
    return {
        f"{low:,} to {high:,} tokens{', longer than in training' if low > max_length else ''}": mask
        for low, high, mask in spans
    }


def by_unknown(shares: NDArray[np.float64], unit: str) -> Masks:
    """Group examples by the share of their words, or other units, that are unknown, (N,)."""
    masks = _binned(shares, [0.0, MANY_UNKNOWN])
    names = {
        0: f"no unknown {unit}",
        1: f"up to {100 * MANY_UNKNOWN:g} % unknown {unit}",
        2: f"over {100 * MANY_UNKNOWN:g} % unknown {unit}",
    }
    return {
        names[int(shares[mask].max() > 0) + int(shares[mask].max() > MANY_UNKNOWN)]: mask
        for mask in masks
    }


def _binned(values: NDArray[np.number], edges: list[float]) -> list[NDArray[np.bool_]]:
    """Mark the values up to each edge, and beyond the last; one part alone is no slice."""
    bins = np.searchsorted(np.unique(edges), values)  # an edge belongs to the bin below it
    there = np.unique(bins)
    return [bins == each for each in there] if len(there) > 1 else []

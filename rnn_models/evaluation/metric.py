"""The definition of a metric, and a score with its interval.

A metric first turns every example into a row of statistics; the score is a
function of the sum of the rows. So a resample costs one matrix product, and
two systems can be compared example by example. N examples, S statistics,
R resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.float64]
Number = TypeVar("Number", float, Statistics)


@dataclass(frozen=True)
class Metric:
    """A score in percent, higher is better, or a cost in a unit of its own, lower is better.

    ``statistics`` maps hypotheses and references to (N, S); ``score`` maps sums
    (R, S) to (R,). ``classes`` is given where an answer is a class, or has
    entities of kinds: for each that the references have it gives (N, 3), the
    counts of right, predicted and reference ones.
    """

    name: str
    title: str
    statistics: Callable[[Sequence[Any], Sequence[Any]], Statistics]
    score: Callable[[Statistics], Statistics]
    signature: Callable[[], str] = lambda: ""
    is_cost: bool = False
    classes: Callable[[Sequence[Any], Sequence[Any]], dict[str, Statistics]] | None = None

    def gain(self, ours: Number, theirs: Number) -> Number:
        """Compute by how much a score is better than another; negative where it is worse."""
        return theirs - ours if self.is_cost else ours - theirs

    def total(self, statistics: Statistics) -> float:
        """Compute the score of all examples together, from their statistics (N, S)."""
        return float(self.score(statistics.sum(0, keepdims=True))[0])


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval, and how it was measured."""

    value: float
    low: float
    high: float
    signature: str = ""


def measure(
    metric: Metric, statistics: Statistics, *, num_resamples: int = 1000, seed: int = 0
) -> Score:
    """Score all examples together, with a 95 % percentile bootstrap interval.

    Args:
        metric: What is measured.
        statistics: (N, S), at least one row.
        num_resamples: Resamples of N examples with replacement.
        seed: Of the resampling.

    Origin:
        Efron (1979); for BLEU, Koehn (2004).
    """
    num = len(statistics)
    random = np.random.default_rng(seed)
    # How often each row is drawn, and not which: a resample is then one row of a matrix product.
    drawn = random.multinomial(num, np.full(num, 1 / num), size=num_resamples)  # (R, N)
    low, high = np.percentile(metric.score(drawn @ statistics), [2.5, 97.5])
    return Score(metric.total(statistics), float(low), float(high), metric.signature())

"""Significance tests: by how much one system is better, and whether that can be chance.

All is computed from two matrices of statistics (``metrics.py``), whose rows belong to the same
examples, so that a resample is a matrix product. N examples, S statistics, R resamples, K classes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.evaluation.metrics import f1

NUM_RESAMPLES = 10_000
BLOCK_CELLS = 2**18  # resamples times rows at once: 2 MB, which stay in a core's cache
# Where there are this many times more rows than distinct ones, drawing a count for each distinct
# row is faster than drawing rows.
FEW = 10
TOLERANCE = 1e-9  # sums of other orders are equal but for their last bits


@dataclass(frozen=True)
class Comparison:
    """The gain of ours over theirs on the same examples; a lower cost is a gain.

    ``low`` and ``high`` bound the gain, each missed with probability ``alpha``.
    Both p-values are probabilities that equally good systems show such a gain.
    """

    ours: float
    theirs: float
    gain: float
    low: float
    high: float
    p_bootstrap: float
    p_swaps: float
    alpha: float
    num_examples: int
    num_resamples: int

    @property
    def p_value(self) -> float:
        """The larger of both.

        They differ for few examples only, and there neither is reliable alone.
        """
        return max(self.p_bootstrap, self.p_swaps)


@dataclass(frozen=True)
class ClassChange:
    """F1 of one class, or kind of entity, of both systems.

    ``p_fall`` is the probability that systems that are equally good at every
    class show such a fall of this one or of one less likely.
    """

    name: str
    num_examples: int
    ours: float
    theirs: float
    p_fall: float

    @property
    def gain(self) -> float:
        """By how much ours is better, in points of F1."""
        return self.ours - self.theirs


def compare(
    metric: Metric,
    ours: Statistics,
    theirs: Statistics,
    *,
    alpha: float = 0.05,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two systems by their statistics of the same examples.

    Two one-sided tests. The paired bootstrap draws examples with replacement,
    and counts how often the gain differs from its mean by the whole gain or
    more. The other swaps both predictions of an example at random, which
    changes nothing if the systems are equally good; it is exact for any number
    of examples, where a bootstrap of five has five differences only.

    Args:
        metric: The metric.
        ours: (N, S), at least one row.
        theirs: (N, S), of the same examples; columns mean the same.
        alpha: Probability that the gain lies beyond a bound of the interval.
        num_resamples: Number of resamples of each test.
        seed: Seed of the resampling.

    Raises:
        ValueError: If the two do not have the same rows and columns.

    Origin:
        Koehn (2004) for the bootstrap, its p-value centred as in sacreBLEU
        (Post, 2018) and one-sided; swaps are approximate randomisation, Noreen (1989).
    """
    check_pairs(metric, ours, theirs)
    # Corpus metrics such as BLEU and F1 are functions of sums, not means of scores per example.
    whole = [statistics.sum(0, keepdims=True) for statistics in (ours, theirs)]
    gain = float(_gains(metric, *whole)[0])
    drawn = resampled_gains(metric, ours, theirs, num_resamples=num_resamples, seed=seed)
    swapped = swapped_gains(metric, ours, theirs, num_resamples=num_resamples, seed=seed)
    low, high = np.percentile(drawn, [100 * alpha, 100 * (1 - alpha)])
    return Comparison(
        ours=float(metric.score(whole[0])[0]),
        theirs=float(metric.score(whole[1])[0]),
        gain=gain,
        low=float(low),
        high=float(high),
        p_bootstrap=_share_of(drawn - drawn.mean() >= gain - TOLERANCE),
        p_swaps=_share_of(swapped >= gain - TOLERANCE),
        alpha=alpha,
        num_examples=len(ours),
        num_resamples=num_resamples,
    )


def check_pairs(metric: Metric, ours: Statistics, theirs: Statistics) -> None:
    """Check that statistics can belong to the same examples.

    Raises:
        ValueError: If rows or columns differ in number.
    """
    if len(ours) != len(theirs):
        raise ValueError(
            f"{metric.title}: {len(ours)} rows of ours cannot be paired with {len(theirs)} of "
            "theirs, expected one for each example; a text that goes on is cut into blocks of "
            "tokens, so both need tokens of the same kind"
        )
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"{metric.title}: {ours.shape[1]} statistics of ours stand against {theirs.shape[1]} "
            "of theirs: measure both together, so that the classes are the same"
        )


def resampled_gains(
    metric: Metric, ours: Statistics, theirs: Statistics, *, num_resamples: int, seed: int
) -> Statistics:
    """Compute gains (R,) over N examples drawn with replacement, the same for both systems."""
    # Side by side, so that each resample draws the same examples for both: the test is paired.
    both = np.concatenate([ours, theirs], axis=1)
    width = ours.shape[1]
    sums = drawn_sums(both, num_resamples, seed)  # (r, 2 * S)
    return np.concatenate([_gains(metric, each[:, :width], each[:, width:]) for each in sums])


def swapped_gains(
    metric: Metric, ours: Statistics, theirs: Statistics, *, num_resamples: int, seed: int
) -> Statistics:
    """Compute gains (R,) where each example's predictions are swapped with probability 0.5."""
    whole_ours = ours.sum(0)
    whole_theirs = theirs.sum(0)
    # A swap moves the difference of two rows from one side's sum to the other's.
    moved = _swapped_sums(theirs - ours, num_resamples, seed)  # (r, S)
    return np.concatenate(
        [_gains(metric, whole_ours + each, whole_theirs - each) for each in moved]
    )


def compare_classes(
    ours: Mapping[str, Statistics],
    theirs: Mapping[str, Statistics],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[ClassChange]:
    """Compare the F1 of each class, and test whether a fall is more than chance.

    By swaps, not by a bootstrap: the only example of a class is wrong in every
    resample that has it. With one test per class, p-values are corrected by
    Holm's method: systems that are equally good at every class show one at or
    below alpha with probability alpha at most, whatever their number. The price:
    one class of K must lose at least log2(K / alpha) examples.

    Args:
        ours: (N, 3) for each class: hits, predictions, references.
        theirs: The same of the other system.
        num_resamples: Number of random swaps.
        seed: Seed of the swaps.

    Origin:
        Holm (1979).
    """
    if not ours:
        return []
    # (N, K * 3)
    rows, others = (
        np.concatenate([kind[name] for name in ours], axis=1) for kind in (ours, theirs)
    )
    before = _class_scores(others.sum(0)[None])[0]
    after = _class_scores(rows.sum(0)[None])[0]
    falls = np.zeros(len(ours))
    for moved in _swapped_sums(others - rows, num_resamples, seed):  # (r, K * 3)
        gains = _class_scores(rows.sum(0) + moved) - _class_scores(others.sum(0) - moved)
        falls += (gains <= after - before + TOLERANCE).sum(0)
    likely = holm((1 + falls) / (1 + num_resamples))
    nums = [int(ours[name][:, 2].sum()) for name in ours]
    return [
        ClassChange(*row)
        for row in zip(ours, nums, after.tolist(), before.tolist(), likely.tolist(), strict=True)
    ]


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct the p-values (K,) of K tests for their number."""
    order = np.argsort(p_values)
    num = len(p_values)
    # The smallest p-value counts K times, the next K - 1 times; none is below the one before.
    adjusted = np.empty(num)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * np.arange(num, 0, -1)))
    return adjusted


def _gains(metric: Metric, ours: Statistics, theirs: Statistics) -> Statistics:
    return metric.gain(metric.score(ours), metric.score(theirs))


def _class_scores(sums: Statistics) -> Statistics:
    """Compute F1 (R, K) from sums (R, K * 3)."""
    return f1(sums.reshape(-1, 3)).reshape(len(sums), -1)


def _share_of(hits: NDArray[np.bool_]) -> float:
    """Compute a share that is never 0: the observed gain counts as one of the cases."""
    return float((1 + hits.sum()) / (1 + len(hits)))


def drawn_sums(rows: Statistics, num_resamples: int, seed: int) -> Iterator[Statistics]:
    """Yield sums (r, S) of N rows (N, S) drawn with replacement, some resamples at a time."""
    random = np.random.default_rng(seed)
    num = len(rows)
    kinds, counts = _kinds_of(rows)
    if FEW * len(kinds) < num:
        yield from (
            random.multinomial(num, counts / num, size=size) @ kinds
            for size in _sizes(len(kinds), num_resamples)
        )
        return
    # Multinomial counts of single rows too, at a tenth of the time where there are many.
    for size in _sizes(num, num_resamples):
        drawn = (
            random.integers(num, size=(size, num), dtype=np.min_scalar_type(num - 1))
            + num * np.arange(size)[:, None]
        )
        yield (
            np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
            @ rows
        )


def _swapped_sums(change: Statistics, num_resamples: int, seed: int) -> Iterator[Statistics]:
    """Yield sums (r, S) of rows (N, S), each included with probability 0.5."""
    random = np.random.default_rng(seed)
    # Examples with equal statistics change nothing when they are swapped.
    change = change[change.any(1)]
    kinds, counts = _kinds_of(change)
    if FEW * len(kinds) < len(change):
        yield from (
            random.binomial(counts, 0.5, size=(size, len(kinds))) @ kinds
            for size in _sizes(len(kinds), num_resamples)
        )
        return
    for size in _sizes(len(change), num_resamples):
        yield (
            random.integers(2, size=(size, len(change)), dtype=np.int8).astype(np.float64) @ change
        )


def _kinds_of(rows: Statistics) -> tuple[Statistics, NDArray[np.int64]]:
    """Find the distinct rows in order of first appearance, and count each.

    Predictions are right or wrong, so thousands of rows may have four kinds. The
    order does not depend on the columns: with the systems swapped, a seed gives
    the same draws.
    """
    kinds, first, counts = np.unique(rows, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    return kinds[order], counts[order]


def _sizes(num_columns: int, num_resamples: int) -> Iterator[int]:
    """Yield the numbers of resamples to compute at once."""
    size = max(1, BLOCK_CELLS // max(1, num_columns))
    return (min(size, num_resamples - start) for start in range(0, num_resamples, size))

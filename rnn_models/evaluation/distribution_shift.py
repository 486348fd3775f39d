"""How far two samples of rows differ, and how far equal ones differ by chance.

Chance is measured by permutations of whole rows, because the tokens of a row depend on each
other. N rows of both samples, B bins, R permutations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from rnn_models.evaluation.text_features import bag_of_ids

NUM_PERMUTATIONS = 1_999  # the smallest p-value, 0.0005, times twenty measures is below alpha
BLOCK_CELLS = 2**21  # permutations times rows at once: 8 MB
NUM_QUANTILES = 10
CHANCE_PERCENTILE = 95.0
PRIOR = 0.5  # rows in each bin beforehand, or an empty bin makes the index infinite
LOWEST = 1e-300  # a distance of exactly 0 may come out negative by its last bits
Counts: TypeAlias = scipy.sparse.csr_matrix


@dataclass(frozen=True)
class Shift:
    """How far the distribution of one feature moved.

    ``psi`` is the population stability index, ``distance`` the Jensen-Shannon distance from 0 to
    1. Equal samples exceed ``psi_by_chance`` and ``distance_by_chance`` with a probability of
    5 %. ``p_value`` is the probability of such a distance by chance.
    """

    name: str
    psi: float
    distance: float
    psi_by_chance: float
    distance_by_chance: float
    p_value: float


def frequent_bins(counts: Counts, most: int) -> Counts:
    """Keep up to ``most`` of the most frequent ids as bins, and count all others in one more.

    Both samples choose the bins: if the reference alone did, equal samples would look different.
    Of ids that are equally frequent, all stay or none, because the order of rows must not choose.
    """
    frequency = np.asarray(counts.sum(0)).ravel()
    limit = np.sort(frequency)[-most - 1] if len(frequency) > most else 0.0
    kept = counts[:, np.flatnonzero(frequency > limit)]
    others = np.asarray(counts.sum(1)).ravel() - np.asarray(kept.sum(1)).ravel()
    return scipy.sparse.hstack([kept, scipy.sparse.csr_matrix(others[:, None])], format="csr")


def quantile_bins(values: NDArray[np.float64]) -> Counts:
    """Sort values into ten bins of about equal size, (N, 10) at most."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, NUM_QUANTILES + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    return bag_of_ids(bins.astype(np.int64), np.arange(len(values) + 1), len(edges) + 1)


def compare_features(
    features: Mapping[str, Counts],
    is_new: NDArray[np.bool_],
    *,
    num_permutations: int = NUM_PERMUTATIONS,
    seed: int = 0,
) -> list[Shift]:
    """Compare the new rows with the reference rows, feature by feature.

    Args:
        features: Counts (N, B) of the rows of both samples, by name of the feature.
        is_new: Marks the new rows, (N,).
        num_permutations: R.
        seed: Seed of the permutations.

    Returns:
        A shift for each feature; p-values are not corrected for the number of features.

    Origin:
        Lin (1991) for the divergence. Permutation test: Fisher (1935), with the observed value
        among the permuted ones as in Phipson and Smyth (2010).
    """
    joined = scipy.sparse.hstack(list(features.values()), format="csr").T.tocsr()  # (B, N)
    ends = np.cumsum([counts.shape[1] for counts in features.values()])
    blocks = list(_permuted(is_new, num_permutations, seed))
    marks = np.concatenate([is_new[None].astype(np.float32), *blocks])  # (1 + R, N)
    new = np.concatenate([(joined @ block.T).T for block in _blocks(marks)])  # (1 + R, B)
    old = np.asarray(joined.sum(1)).ravel() - new
    sides = zip(np.split(old, ends[:-1], 1), np.split(new, ends[:-1], 1), strict=True)
    return [_shift(name, *side) for name, side in zip(features, sides, strict=True)]


def _permuted(
    is_new: NDArray[np.bool_], num_permutations: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    for _ in range(num_permutations):
        yield random.permutation(is_new).astype(np.float32)[None]


def _blocks(marks: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    size = max(1, BLOCK_CELLS // marks.shape[1])
    return (marks[start : start + size] for start in range(0, len(marks), size))


def _shift(name: str, old: NDArray[np.float32], new: NDArray[np.float32]) -> Shift:
    """Measure the shift in the first row, and chance in all others; (1 + R, B)."""
    shares = [_shares(side) for side in (old, new)]
    index = stability_index(*shares)
    distance = jensen_shannon(*shares)
    return Shift(
        name,
        float(index[0]),
        float(distance[0]),
        float(np.percentile(index[1:], CHANCE_PERCENTILE)),
        float(np.percentile(distance[1:], CHANCE_PERCENTILE)),
        # The observed split is one of the permutations; sums of other orders differ by some bits.
        float((distance >= distance[0] * (1 - 1e-5)).mean()),
    )


def _shares(counts: NDArray[np.float32]) -> NDArray[np.float64]:
    raised = counts.astype(np.float64) + PRIOR
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def stability_index(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the population stability index of two rows of shares, (..., B) to (...)."""
    return np.asarray(((new - old) * np.log(new / old)).sum(-1))


def jensen_shannon(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Jensen-Shannon distance, with logarithms to base 2, (..., B) to (...)."""
    middle = (old + new) / 2
    parts = [(side * np.log2(side / middle)).sum(-1) for side in (old, new)]
    return np.asarray(np.sqrt(np.maximum(sum(parts) / 2, LOWEST)))

"""A classifier that tells new texts from reference texts: the better it does, the more they differ.

N texts of both samples.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from rnn_models.evaluation.text_features import ngram_counts

ORDERS = (1, 2)
PENALTY = 0.5  # of the baseline bag_of_words, which has the same features
Z_95 = 1.645  # 95th percentile of the normal distribution


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells unseen new texts from unseen reference texts.

    ``auc`` is the probability that a new text gets a higher score than a reference text: 0.5
    where it cannot. Equal samples exceed ``by_chance`` with a probability of 5 %.
    ``p_value`` is the probability of such a value by chance.
    """

    auc: float
    by_chance: float
    p_value: float


def separate(
    ids: NDArray[np.int64], offsets: NDArray[np.int64], is_new: NDArray[np.bool_], *, seed: int = 0
) -> Separation:
    """Train a linear model on half of the texts to find the new ones, and test it on the rest.

    The texts of the test are unknown to the model, so its scores are fixed functions of them,
    and a rank test is exact.

    Args:
        ids: Token ids of all texts, end to end.
        offsets: Start of each text, and the end of the last, (N + 1,).
        is_new: Marks the new texts, (N,); at least two of each side.
        seed: Seed of the division.

    Origin:
        Lopez-Paz and Oquab (2017); the rank test is Mann and Whitney (1947).
    """
    counts = ngram_counts(ids, offsets, ORDERS)
    is_seen = _halves(is_new, seed)
    scores = _scores(counts[is_seen], is_new[is_seen], counts[~is_seen])
    sides = [scores[is_new[~is_seen] == side] for side in (True, False)]
    found = mannwhitneyu(*sides, alternative="greater", method="asymptotic")
    first, second = map(len, sides)
    spread = math.sqrt(
        (first + second + 1) / (12 * first * second)
    )  # of the area, if all are equal
    return Separation(
        float(found.statistic) / (first * second), 0.5 + Z_95 * spread, float(found.pvalue)
    )


def _halves(is_new: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Mark a half of each side, (N,)."""
    random = np.random.default_rng(seed)
    found = np.zeros(len(is_new), dtype=bool)
    for side in (True, False):
        rows = random.permutation(np.flatnonzero(is_new == side))
        found[rows[: len(rows) // 2]] = True
    return found


def _scores(
    known: scipy.sparse.csr_matrix, is_new: NDArray[np.bool_], others: scipy.sparse.csr_matrix
) -> NDArray[np.float64]:
    weigh = TfidfTransformer(sublinear_tf=True)
    model = LinearSVC(C=PENALTY, class_weight="balanced", random_state=0)
    model.fit(weigh.fit_transform(known), is_new)
    return np.asarray(model.decision_function(weigh.transform(others)), dtype=np.float64)

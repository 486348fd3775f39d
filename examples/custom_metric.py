"""Write a metric, score two systems with it, and test whether the difference is more than chance.

The metric is balanced accuracy: the mean over the labels of the share of their
rows that are predicted correctly. A metric turns each row into numbers and
computes the score from the sums of these numbers. Intervals and tests resample
the rows, so they work for every metric that is written this way.
"""

import random
from collections.abc import Sequence

import numpy as np

from rnn_models.evaluation.metric import Metric, Statistics, measure
from rnn_models.evaluation.significance import compare

LABELS = ("neg", "pos")
NUM_ROWS = 400


def label_counts(predictions: Sequence[str], references: Sequence[str]) -> Statistics:
    """Count hits and rows for each label, in two columns per label: (N, 4)."""
    columns = []
    for label in LABELS:
        is_reference = np.asarray([reference == label for reference in references])
        is_hit = is_reference & np.asarray([prediction == label for prediction in predictions])
        columns += [is_hit, is_reference]
    return np.column_stack(columns).astype(np.float64)


def mean_recall(sums: Statistics) -> Statistics:
    """Compute the score in percent for each row of sums: (R, 4) to (R,)."""
    hits = sums[:, 0::2]
    totals = sums[:, 1::2]
    scores: Statistics = 100 * (hits / np.maximum(totals, 1)).mean(axis=1)
    return scores


BALANCED_ACCURACY = Metric("balanced_accuracy", "balanced accuracy", label_counts, mean_recall)


def make_predictions(
    references: Sequence[str], share_correct: float, chance: random.Random
) -> list[str]:
    """Make the predictions of a system that is correct with a given probability."""
    return [
        label if chance.random() < share_correct else LABELS[1 - LABELS.index(label)]
        for label in references
    ]


def main() -> None:
    """Compare a better system with a worse one on the same rows."""
    chance = random.Random(0)
    references = chance.choices(LABELS, weights=(1, 4), k=NUM_ROWS)
    statistics = {
        name: label_counts(make_predictions(references, share, chance), references)
        for name, share in (("challenger", 0.9), ("champion", 0.8))
    }
    for name, rows in statistics.items():
        score = measure(BALANCED_ACCURACY, rows)
        print(f"{name}: {score.value:.1f} ({score.low:.1f} to {score.high:.1f})")
    found = compare(BALANCED_ACCURACY, statistics["challenger"], statistics["champion"])
    print(f"gain {found.gain:+.1f} ({found.low:+.1f} to {found.high:+.1f}), p {found.p_value:.4f}")


if __name__ == "__main__":
    main()

"""Figures of a classifier's answers: confusion, reliability, precision and recall.

N examples, K labels.
"""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.figures.style import (
    OURS,
    QUIET,
    SEVERAL,
    SHADES,
    THEIRS,
    empty_figure,
    shade_of_text,
)
from tasks.pages.markdown import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 20
MOST_CURVES = len(SEVERAL)
NUM_BINS = 10
LABEL_CHARACTERS = 20


def shown_name(name: str) -> str:
    """Write a label as a tick of an axis."""
    return plain(name)[:LABEL_CHARACTERS]


def confusion_figure(outputs: pd.DataFrame) -> "Figure":
    """Draw how often each label is predicted for each label of the references."""
    labels = [name for name, _ in Counter(outputs["reference"]).most_common(MOST_LABELS)]
    table = pd.crosstab(outputs["reference"], outputs["output"])
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    # Of all predictions for a label, those of a label that is not shown among them.
    totals = table.reindex(index=labels).sum(axis=1).to_numpy()
    shares = counts / np.maximum(totals[:, None], 1)
    figure = empty_figure(1.6 + 0.42 * max(4, len(labels)))
    ax = figure.subplots()
    ax.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(*counts.shape):
        color = shade_of_text(shares[i, j])
        ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", color=color)
    names = [shown_name(label) for label in labels]
    rotation = 30 if len(names) > 6 else 0
    ax.set_xticks(range(len(names)), names, rotation=rotation)
    ax.set_yticks(range(len(names)), names)
    ax.grid(visible=False)
    ax.set(
        title="Answers by label; light: a large share of the row",
        xlabel="predicted",
        ylabel="reference",
    )
    return figure


def reliability_figure(outputs: pd.DataFrame) -> "Figure":
    """Draw the share of right answers by the score that the model gives them."""
    scores = outputs["score"].to_numpy(dtype=float)
    is_right = right_answers(outputs)
    bins = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)
    num = np.bincount(bins, minlength=NUM_BINS)
    is_there = num > 0
    mean_score = np.bincount(bins, scores, NUM_BINS)[is_there] / num[is_there]
    share = np.bincount(bins, is_right, NUM_BINS)[is_there] / num[is_there]
    error = float((num[is_there] * abs(share - mean_score)).sum() / len(scores))
    figure = empty_figure(4.8)
    curve, counts = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], "--", color=QUIET, label="a score that is the probability")
    # 1.96 standard errors of a share.
    spread = 1.96 * np.sqrt(share * (1 - share) / num[is_there])
    curve.errorbar(mean_score, share, yerr=spread, fmt="o-", color=OURS, capsize=3, label="answers")
    curve.set(
        title=f"Reliability: a score is off by {100 * error:.1f} points on average",
        ylabel="share of right answers",
        ylim=(0, 1.02),
    )
    curve.legend()
    counts.bar((np.arange(NUM_BINS) + 0.5) / NUM_BINS, num, 0.9 / NUM_BINS, color=THEIRS)
    counts.set(xlabel="score of the answer", ylabel="examples")
    return figure


def right_answers(outputs: pd.DataFrame) -> NDArray[np.float64]:
    """Mark the answers that equal their reference, (N,); tags of a text count as one answer."""
    pairs = zip(outputs["output"], outputs["reference"], strict=True)
    return np.asarray([np.array_equal(a, b) for a, b in pairs], dtype=float)


def precision_recall_figure(outputs: pd.DataFrame) -> "Figure":
    """Draw precision against recall of each label, as its answers need a higher score."""
    figure = empty_figure(4.2)
    ax = figure.subplots()
    labels = [name for name, _ in Counter(outputs["reference"]).most_common(MOST_CURVES)]
    for label, color in zip(labels, SEVERAL, strict=False):
        precision, recall = precision_and_recall(outputs, label)
        if len(precision):
            ax.plot(recall, precision, color=color, label=shown_name(label))
            ax.plot(recall[-1:], precision[-1:], "o", color=color)
    ax.set(
        title="Precision and recall by the least score; dot: all answers",
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    ax.legend(title="label", loc="lower left")
    return figure


def precision_and_recall(
    outputs: pd.DataFrame, label: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute precision and recall of a label's answers, those of the highest score first."""
    mine = outputs[outputs["output"] == label].sort_values("score", ascending=False, kind="stable")
    hits = (mine["reference"] == label).to_numpy().cumsum()
    num_references = int((outputs["reference"] == label).sum())
    return hits / np.arange(1, len(mine) + 1), hits / max(1, num_references)

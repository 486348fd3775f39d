"""The figure of a training: loss, validation score, and gradient norms with what was clipped."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnn_models.problem import Problem
from rnn_models.settings import TrainSettings
from rnn_models.training.history import TrainingHistory, TrainingStep
from rnn_models.training.validation import headline_of
from tasks.figures.style import GOOD, OURS, QUIET, THEIRS, WARNING, empty_figure
from tasks.pages.training import clipping_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 800  # of a line: more are not seen, and make the page slow


def training_figure(
    history: TrainingHistory, settings: TrainSettings, problem: Problem
) -> "Figure":
    """Draw loss, validation score and gradient norm by step, with threshold and chosen epoch."""
    figure = empty_figure(7)
    loss, score, norm = figure.subplots(3, sharex=True)
    _draw_loss(loss, history)
    _draw_score(score, history, headline_of(problem).title)
    _draw_norm(norm, history.steps, settings)
    norm.set_xlabel("step")
    return figure


def spans(steps: list[TrainingStep]) -> list[list[TrainingStep]]:
    """Cut steps into spans of equal length, no more than a line has points."""
    size = math.ceil(len(steps) / MOST_POINTS)
    return [steps[start : start + size] for start in range(0, len(steps), size)]


def _finite_mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _draw_epochs(ax: "Axes", history: TrainingHistory, values: list[float], marks: str) -> None:
    """Draw a value of each epoch on the validation split, and mark the chosen epoch."""
    ends = [epoch.last_step for epoch in history.epochs]
    ax.plot(ends, values, marks, color=OURS, label="validation")
    best = history.best
    ax.axvline(
        best.last_step, color=QUIET, linestyle=":", label=f"chosen epoch, {best.epoch}", zorder=1
    )


def _draw_loss(ax: "Axes", history: TrainingHistory) -> None:
    parts = spans(history.steps)
    ax.plot(
        [part[-1].step for part in parts],
        [_finite_mean([step.loss for step in part]) for part in parts],
        linewidth=1,
        color=THEIRS,
        label="train",
    )
    _draw_epochs(ax, history, [epoch.validation_loss for epoch in history.epochs], "o-")
    ax.set(title="Loss, not smoothed", ylabel="nats")
    _explain(ax)


def _draw_score(ax: "Axes", history: TrainingHistory, title: str) -> None:
    _draw_epochs(ax, history, [epoch.validation_score for epoch in history.epochs], "s-")
    ax.set(title="Score of each epoch", ylabel=title)
    _explain(ax)


def _explain(ax: "Axes") -> None:
    """Write the legend beside the title, where it hides no line."""
    ax.legend(loc="lower right", bbox_to_anchor=(1.02, 0.97), ncols=3, fontsize=9)


def _draw_norm(ax: "Axes", steps: list[TrainingStep], settings: TrainSettings) -> None:
    from matplotlib.ticker import LogFormatter

    parts = spans(steps)
    numbers = np.asarray([part[-1].step for part in parts])
    norms = _largest([[step.gradient_norm for step in part] for part in parts])
    is_clipped = np.asarray([any(step.is_clipped for step in part) for part in parts])
    ax.plot(numbers, norms, linewidth=1, color=OURS)
    share = sum(step.is_clipped for step in steps) / len(steps)
    ax.plot(
        numbers[is_clipped],
        norms[is_clipped],
        "x",
        markersize=5,
        color=WARNING,
        label=f"clipped, {share:.0%} of steps",
    )
    allowed = _largest([[step.allowed_norm for step in part] for part in parts])
    if np.isfinite(allowed).any():
        ax.plot(
            numbers,
            allowed,
            "--",
            color=GOOD,
            label=f"threshold: {clipping_words(settings)}",
        )
    ax.set(title="Gradient norm before clipping", yscale="log")
    for axis_formatter in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))  # not in the notation of TeX
    _explain(ax)


def _largest(parts: list[list[float]]) -> NDArray[np.float64]:
    """Find the largest finite value of each span; NaN, which is a gap, where there is none."""
    return np.asarray([max(filter(math.isfinite, part), default=math.nan) for part in parts])

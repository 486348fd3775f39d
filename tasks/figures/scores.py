"""Figures of scores: classes beside the champion, parts of the test split, snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnn_models.evaluation.slices import LEAST, Slice
from tasks.figures.style import OURS, QUIET, THEIRS, WARNING, empty_figure
from tasks.pages.markdown import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLASSES = 25
NAME_CHARACTERS = 36


@dataclass(frozen=True)
class SnapshotScore:
    """The score of a version, with the number of rows that it was trained on."""

    version: str
    snapshot: str
    num_rows: int
    value: float
    low: float
    high: float


def classes_figure(classes: Sequence[Slice], champion: Mapping[str, float], title: str) -> "Figure":
    """Draw the F1 of each class with its interval, the weakest first, beside the champion's.

    Args:
        classes: Named as in the references.
        champion: F1 by class; empty if there was none to compare with.
        title: What a class is, such as label.
    """
    shown = sorted(classes, key=lambda each: each.value)[:MOST_CLASSES][::-1]
    figure = empty_figure(1.6 + 0.34 * max(3, len(shown)))
    ax = figure.subplots()
    _draw_intervals(ax, shown)
    theirs = [(y, champion[each.name]) for y, each in enumerate(shown) if each.name in champion]
    if theirs:
        ax.plot(
            [value for _, value in theirs],
            [y for y, _ in theirs],
            "D",
            color=THEIRS,
            label="champion of then",
        )
    rest = f", the {len(shown)} weakest of {len(classes)}" if len(classes) > len(shown) else ""
    ax.set(title=f"F1 by {title}{rest}", xlabel="F1", xlim=(0, 102))
    ax.legend(loc="best")
    return figure


def parts_figure(parts: Sequence[Slice], whole: float, title: str) -> "Figure":
    """Draw the score of parts of the test split: by length, by unknown words, by start label."""
    shown = list(parts)[:MOST_CLASSES][::-1]
    figure = empty_figure(1.6 + 0.4 * max(3, len(shown)))
    ax = figure.subplots()
    _draw_intervals(ax, shown)
    ax.axvline(whole, color=QUIET, linestyle="--", label=f"all examples, {whole:.4g}")
    ax.set(title=f"Parts of the test split: {title}", xlabel=title)
    ax.legend(loc="best")
    return figure


def _draw_intervals(ax: "Axes", shown: Sequence[Slice]) -> None:
    """Draw the value of each slice with its interval; weak ones have a color and a mark."""
    for is_weak, color, mark, label in (
        (False, OURS, "o", "this model, with interval"),
        (True, WARNING, "X", "weak beyond chance"),
    ):
        found = [(y, each) for y, each in enumerate(shown) if each.is_weak == is_weak]
        if found:
            ax.errorbar(
                [each.value for _, each in found],
                [y for y, _ in found],
                xerr=[
                    [max(0.0, each.value - each.low) for _, each in found],
                    [max(0.0, each.high - each.value) for _, each in found],
                ],
                fmt=mark,
                color=color,
                capsize=3,
                label=label,
            )
    ax.set_yticks(range(len(shown)), [_name_of(each) for each in shown])
    ax.set_ylim(-0.7, len(shown) - 0.3)


def _name_of(part: Slice) -> str:
    few = " (few)" if part.num_examples < LEAST else ""
    return f"{plain(part.name)[:NAME_CHARACTERS]}, {part.num_examples:,}{few}"


def learning_curve_figure(found: Sequence[SnapshotScore], title: str) -> "Figure":
    """Draw the score by the number of training rows, a point for each snapshot."""
    shown = sorted(found, key=lambda each: (each.num_rows, int(each.version)))
    figure = empty_figure(3.8)
    ax = figure.subplots()
    ax.errorbar(
        [each.num_rows for each in shown],
        [each.value for each in shown],
        yerr=[
            [max(0.0, each.value - each.low) for each in shown],
            [max(0.0, each.high - each.value) for each in shown],
        ],
        fmt="o-",
        color=OURS,
        capsize=3,
    )
    for each in shown:
        ax.annotate(
            f"version {each.version}",
            (each.num_rows, each.value),
            xytext=(6, 8),
            textcoords="offset points",
            color=QUIET,
        )
    ax.set(
        title=f"Training rows and {title}, each on its own test split",
        xlabel="training rows",
        ylabel=title,
    )
    return figure

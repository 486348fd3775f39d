"""How a harness ends: its figures are printed and, without ``--dry``, written."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from benchmarks.lib.figures import Figure, figure, require_clean_tree, write


def finish(measure: Callable[[], list[Figure]], *, is_dry: bool = "--dry" in sys.argv) -> None:
    """Measure, print the figures, and write them; with ``--dry`` only print them."""
    if not is_dry:
        require_clean_tree()  # before minutes of measuring, not only after
    figures = measure()
    for each in figures:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not is_dry:
        write("reliability", figures)


def fine_figure(
    name: str,
    value: float,
    *,
    unit: str,
    goal: float,
    better: Literal["higher", "lower"],
    command: str,
    note: str,
) -> Figure:
    """Make a figure of four decimals, for a share of a few percent."""
    made = figure(name, value, unit=unit, goal=goal, better=better, command=command, note=note)
    return replace(made, value=round(value, 4))

"""The definition of a baseline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A simple system that a model has to beat.

    ``predict`` maps the examples of the training split and those of another to
    a target for each of the latter: ids, or what the output kind of its
    problem reads in their place. ``num_learnt`` counts the numbers that it
    takes from the training split, as parameters of a network are counted.
    A baseline that ``reads_texts`` gets the sources and targets of the training
    rows and the other sources instead, all raw, and gives raw targets.
    ``is_unspaced_only`` marks one that is worth its time only where spaces do
    not separate words.
    """

    name: str
    predict: Callable[..., list[Any]]
    num_learnt: Callable[..., int]
    reads_texts: bool = False
    is_unspaced_only: bool = False

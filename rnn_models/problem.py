"""What a problem must say of itself, and how to find one by its name."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_models import problems
from rnn_models.batching.batch import Batch, Examples
from rnn_models.batching.windows import State, Window
from rnn_models.names import nearest
from rnn_models.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a model must know of its vocabularies.

    ``target`` counts labels or ids of target text; ``labels`` names them where
    they are few. ``is_shared`` says that source and target text have one
    vocabulary. ``characters`` counts ids of characters of source tokens, 0 where
    no token is spelled; ``fixed`` the last source ids, of words that a file of
    word vectors has and training does not learn.
    """

    source: int
    target: int
    labels: tuple[str, ...] = ()
    is_shared: bool = False
    characters: int = 0
    fixed: int = 0


@dataclass(frozen=True)
class Output:
    """What a model says of one example: target ids, and how sure it is, from 0 to 1.

    What follows is there only where it was asked for: how sure the model is of
    each tag, and of each entity in their order (``confidences``); for each id
    the source token it is a copy of, -1 for none (``copy_unknown``); the next
    best outputs, best first (``num_best``).
    """

    ids: list[int]
    score: float
    tag_scores: list[float] = field(default_factory=list)
    entity_scores: list[float] = field(default_factory=list)
    copied: list[int] = field(default_factory=list)
    others: list["Output"] = field(default_factory=list)


class Loss(NamedTuple):
    """The loss of some examples: what is minimised, summed in nats, over how many units.

    ``plain`` are the same nats without label smoothing and without a gradient,
    so that losses of training and of validation can be compared.
    """

    nats: Tensor
    units: int
    plain: Tensor


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a problem is trained in windows, by truncated BPTT, the state carried from one to the next.

    ``cut`` makes the windows of an epoch (0 for validation) of examples: a pure
    function of the seed and the epoch. ``loss`` goes on from the state before
    and gives the loss and the state after; the state of a row that ``is_start`` marks is its own matter (``bptt.carried``).
    """

    cut: Callable[[Examples, TrainSettings, int], Sequence[Window]]
    loss: Callable[[Any, Window, State], tuple[Loss, State]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of learning: the rows it reads, its model, loss, decoding and metrics.

    ``rows`` names the columns of its rows, source before target. ``metrics``
    and ``baselines`` are names from ``metrics.py`` and ``baselines.py``; the
    first metric decides. ``loss`` gives the loss of a batch; its units are
    tokens or examples. ``windows`` is there
    where ``bptt_window`` may cut a training into windows of their own updates.
    ``is_source_optional`` says that rows may have a target alone. ``token_nats``
    is there where a model is judged by how well it foresees the target texts:
    the nats that each token of each text costs, its end included.
    """

    name: str
    rows: tuple[str, str]
    is_source_optional: bool = False
    unit: str
    metrics: tuple[str, ...]
    baselines: tuple[str, ...]
    defaults: TrainSettings
    build: Callable[[Sizes, TrainSettings], nn.Module]
    loss: Callable[[Any, Batch], Loss]
    predict: Callable[[Any, Batch], list[Output]]
    windows: Windows | None = None
    token_nats: Callable[[Any, Examples], list[NDArray[np.float32]]] | None = None

    def sides(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Source and target of rows with these columns, or the target alone where that will do; none if they do not fit."""
        if set(roles) == set(self.rows):
            return self.rows
        return self.rows[1:] if self.is_source_optional and tuple(roles) == self.rows[1:] else ()


@cache
def problem_names() -> list[str]:
    """Names of all problems, by listing the modules of ``rnn_models/problems``."""
    return sorted(module.name for module in pkgutil.iter_modules(problems.__path__))


def find_problem(name: str) -> Problem:
    """Find a problem by its name, the name of its module.

    Raises:
        ValueError: If there is none, with the nearest name.
    """
    if name not in problem_names():
        raise ValueError(f"there is no problem {name!r}: {nearest(name, problem_names())}")
    found: Problem = importlib.import_module(f"{problems.__name__}.{name}").PROBLEM
    return found

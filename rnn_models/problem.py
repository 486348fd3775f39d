"""The definition of a problem, and the look-up of problems by name."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor, nn

from rnn_models import problems
from rnn_models.batching.batch import Batch, Examples
from rnn_models.batching.windows import State, Window
from rnn_models.evaluation.baseline import Baseline
from rnn_models.evaluation.metric import Metric
from rnn_models.names import nearest
from rnn_models.output_kind import OutputKind
from rnn_models.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of the vocabularies, which a model needs to be built.

    ``target`` counts labels or ids of target text; ``labels`` names them where
    they are few. ``is_shared`` marks one vocabulary for source and target text.
    ``characters`` counts ids of characters of source tokens, 0 where no token
    is spelled; ``fixed`` the last source ids, of words that a file of word
    vectors has and training does not learn.
    """

    source: int
    target: int
    labels: tuple[str, ...] = ()
    is_shared: bool = False
    characters: int = 0
    fixed: int = 0


@dataclass(frozen=True)
class Output:
    """A prediction for one example: target ids, and their probability as a score from 0 to 1.

    The other fields are filled on request only: the probability of each tag
    and of each entity, in their order (``confidences``); for each id the index
    of the source token that it copies, -1 for none (``copy_unknown``); the
    next best outputs, best first (``num_best``).
    """

    ids: list[int]
    score: float
    tag_scores: list[float] = field(default_factory=list)
    entity_scores: list[float] = field(default_factory=list)
    copied: list[int] = field(default_factory=list)
    others: list["Output"] = field(default_factory=list)


class Loss(NamedTuple):
    """The loss of some examples: the sum to minimise, in nats, and its number of units.

    ``plain`` is the same sum without label smoothing and without a gradient,
    so that losses of training and of validation can be compared.
    """

    nats: Tensor
    units: int
    plain: Tensor


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Truncated BPTT of a problem: training in windows that carry the state from one to the next.

    ``cut`` makes the windows of an epoch (0 for validation) of examples: a pure
    function of the seed and the epoch. ``loss`` starts from the state before
    and gives the loss and the state after; it resets the state of a row that
    ``is_start`` marks (``windows.carried``).
    """

    cut: Callable[[Examples, TrainSettings, int], Sequence[Window]]
    loss: Callable[[Any, Window, State], tuple[Loss, State]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of learning: the rows it reads, its model, loss, outputs and metrics.

    ``rows`` names the columns of its rows, source before target;
    ``is_source_optional`` allows rows of a target alone. ``metrics`` and
    ``baselines`` are names from ``evaluation/metrics.py`` and ``baselines.py``,
    or of ``own_metrics`` and ``own_baselines``, which only this problem has;
    the first metric decides. ``loss`` gives the loss of a batch, its units are
    tokens or examples. ``predict`` gives an output for each example, an
    ``Output`` or what ``output``, the output kind, reads in its place.
    ``windows`` is given where ``bptt_window`` may cut a training into windows
    with an update each.
    """

    name: str
    rows: tuple[str, str]
    is_source_optional: bool = False
    unit: str
    metrics: tuple[str, ...]
    baselines: tuple[str, ...]
    own_metrics: tuple[Metric, ...] = ()
    own_baselines: tuple[Baseline, ...] = ()
    defaults: TrainSettings
    build: Callable[[Sizes, TrainSettings], nn.Module]
    loss: Callable[[Any, Batch], Loss]
    predict: Callable[[Any, Batch], Sequence[Any]]
    output: OutputKind
    windows: Windows | None = None

    def sides(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Order the columns of rows, source before target; none if the problem cannot read them."""
        if set(roles) == set(self.rows):
            return self.rows
        return self.rows[1:] if self.is_source_optional and tuple(roles) == self.rows[1:] else ()


@cache
def problem_names() -> list[str]:
    """List the names of all problems: the modules of ``rnn_models/problems``."""
    # Found by listing: a new problem is one file, registered nowhere.
    return sorted(module.name for module in pkgutil.iter_modules(problems.__path__))


def find_problem(name: str) -> Problem:
    """Find a problem by its name, the name of its module.

    Raises:
        ValueError: If there is none, with the nearest name.
    """
    if name not in problem_names():
        raise ValueError(f"there is no problem {name!r}: {nearest(name, problem_names())}")
    # On demand: every problem imports this module, so this one cannot import them.
    found: Problem = importlib.import_module(f"{problems.__name__}.{name}").PROBLEM
    return found

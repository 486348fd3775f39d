"""An evaluation: a metric with the statistics of each example and of each class."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.evaluation.metric import Metric, Statistics, measure
from rnn_models.evaluation.metrics import find_metric
from tasks.scoring.outputs import BASELINES, OUTPUTS, STATISTICS
from tasks.store.artifacts import Scores

# Pairs predictions and references as the problem's output kind does.
Pairs = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


@dataclass(frozen=True)
class Evaluation:
    """A metric on one split: ``statistics`` (N, S) of the examples, and (N, 3) of each class.

    There are no ``classes`` where answers have none.
    """

    metric: Metric
    statistics: Statistics
    classes: Mapping[str, Statistics] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The score of all examples together."""
        return self.metric.total(self.statistics)

    def measured(self) -> dict[str, Any]:
        """Compute the score with its interval and signature, as ``Scores`` keep it."""
        return asdict(measure(self.metric, self.statistics))


def evaluate_predictions(
    metric: Metric, predictions: list[Any], references: list[Any], pairs: Pairs
) -> Evaluation:
    """Score the predictions for a split."""
    classes = metric.classes(predictions, references) if metric.classes else {}
    return Evaluation(metric, metric.statistics(*pairs(predictions, references)), classes)


def load_evaluation(scores: Scores) -> Evaluation:
    """Read the headline evaluation of stored scores."""
    metric = headline_metric(scores)
    classes: dict[str, Statistics] = {}
    if metric.classes:
        outputs = pd.read_parquet(scores.folder / OUTPUTS)
        classes = metric.classes(outputs["output"].tolist(), outputs["reference"].tolist())
    return Evaluation(metric, np.load(scores.folder / STATISTICS)[scores.headline], classes)


def load_baseline(scores: Scores, name: str) -> Evaluation:
    """Read the headline evaluation of a baseline."""
    statistics = np.load(scores.folder / BASELINES)[name]
    return Evaluation(headline_metric(scores), statistics)


def headline_metric(scores: Scores) -> Metric:
    """Find the metric that decides, which cuts texts as it did for these scores."""
    return find_metric(scores.headline, tokenizer=scores.bleu_tokenizer)

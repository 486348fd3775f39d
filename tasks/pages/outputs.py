"""Outputs of a model on the test split for a page: its worst errors, and samples."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.evaluation.metric import Metric
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem
from tasks.pages.markdown import cell, shortened
from tasks.scoring.outputs import OUTPUTS, STATISTICS
from tasks.scoring.samples import SAMPLES
from tasks.store.artifacts import Scores

NUM_ERRORS = 5
NUM_SAMPLES = 3
TEXT_CHARACTERS = 140


def worst_rows(scores: Scores) -> pd.DataFrame:
    """Find the rows that score worst; of equals, those that the model is most sure of."""
    table = pd.read_parquet(scores.folder / OUTPUTS)
    found = _scores_of_rows(scores, len(table))
    if found is None or "output" not in table:
        return table.head(0)
    is_wrong = [
        _text(ours) != _text(theirs)
        for ours, theirs in zip(table["output"], table["reference"], strict=True)
    ]
    confidence = find_problem(scores.problem).output.confidence
    sure = (
        table[confidence].map(float)
        if confidence and confidence in table
        else pd.Series(0.0, table.index)
    )
    order = np.lexsort((-sure.to_numpy(), found))
    chosen = [row for row in order if is_wrong[row] and np.isfinite(found[row])]
    return table.iloc[chosen[:NUM_ERRORS]]


def _scores_of_rows(scores: Scores, num: int) -> np.ndarray[Any, Any] | None:
    """Score each row by the metric that tells most rows apart; None if texts are scored as one."""
    with np.load(scores.folder / STATISTICS) as statistics:
        found = [
            (metric, values)
            for metric in map(find_metric, scores.metrics)
            if metric.name in statistics and len(values := statistics[metric.name]) == num
        ]
    per_row = [_gains(metric, values) for metric, values in found]
    return max(per_row, key=lambda gains: len(set(gains[np.isfinite(gains)])), default=None)


def _gains(metric: Metric, statistics: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):  # one row alone may have no score, such as a correlation
        return metric.gain(metric.score(statistics), np.zeros(len(statistics)))


def error_rows(scores: Scores) -> Iterator[str]:
    """Write the worst errors as a table."""
    worst = worst_rows(scores)
    if len(worst):
        yield "| text | reference | output |"
        yield "|---|---|---|"
        yield from _rows(worst)


def sample_rows(scores: Scores) -> Iterator[str]:
    """Write the first outputs as a table, or the texts that were drawn."""
    drawn = scores.folder / SAMPLES
    table = pd.read_parquet(drawn if drawn.exists() else scores.folder / OUTPUTS)
    names = [name for name in ("source", "reference", "output") if name in table]
    yield f"| {' | '.join('text' if name == 'source' else name for name in names)} |"
    yield "|" + "---|" * len(names)
    yield from _rows(table.head(NUM_SAMPLES), names)


def _rows(
    table: pd.DataFrame, names: Sequence[str] = ("source", "reference", "output")
) -> Iterator[str]:
    for _, row in table.iterrows():
        yield f"| {' | '.join(_short(row[name]) for name in names)} |"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return value if isinstance(value, str) else " ".join(map(str, value))


def _short(value: Any) -> str:
    return cell(shortened(_text(value), TEXT_CHARACTERS))

"""Scores as pages show them: the metric's title, its digits and its interval."""

from typing import Any

from rnn_models.evaluation.metrics import find_metric


def title(metric: str) -> str:
    """A metric as people write it."""
    return find_metric(metric).title


def digits(metric: str) -> int:
    """Digits behind the point that are shown: a cost is no percentage, and often a small number."""
    return 3 if find_metric(metric).is_cost else 1


def interval(metric: str, score: dict[str, Any]) -> str:
    """A score with its 95 % interval, as it is shown everywhere."""
    n = digits(metric)
    return f"{score['value']:.{n}f} ({score['low']:.{n}f} to {score['high']:.{n}f})"

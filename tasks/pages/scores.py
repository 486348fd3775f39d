"""Scores as pages show them: the metric's title, its digits and its interval."""

from typing import Any

from rnn_models.evaluation.metrics import find_metric


def title(metric: str) -> str:
    """Give the title of a metric."""
    return find_metric(metric).title


def digits(metric: str) -> int:
    """Give the decimal places to show: a cost is no percentage, and often a small number."""
    return 3 if find_metric(metric).is_cost else 1


def interval(metric: str, score: dict[str, Any]) -> str:
    """Format a score with its 95 % interval."""
    n = digits(metric)
    return f"{score['value']:.{n}f} ({score['low']:.{n}f} to {score['high']:.{n}f})"

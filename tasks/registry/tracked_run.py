"""Metrics of a training as points of its MLflow run: averaged over steps, written in batches."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from statistics import fmean

from rnn_models.training.history import Epoch, TrainingStep
from tasks.registry.mlflow_client import log_metrics

STEPS_PER_POINT = 10  # MLflow's pages slow down with every point; the history file has all steps


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values, without NaN; None if there is none."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return fmean(known) if known else None


class MetricPoints:
    """Metrics of steps, averaged over a few and buffered until there are many to write.

    Args:
        run_id: The MLflow run.
        score_name: Name of the metric of an epoch's validation score.
    """

    def __init__(self, run_id: str, score_name: str) -> None:
        self.run_id = run_id
        self.score_name = score_name
        self.steps: list[TrainingStep] = []
        self.points: list[tuple[str, float, int, int]] = []

    def add_step(self, step: TrainingStep) -> None:
        """Count a step; every tenth makes a point."""
        self.steps.append(step)
        if len(self.steps) == STEPS_PER_POINT:
            self._make_points()

    def _make_points(self) -> None:
        done = self.steps
        self.steps = []
        means = {
            "train_loss": mean(step.loss for step in done),
            "gradient_norm": mean(step.gradient_norm for step in done),
            "clipped_share": mean(step.is_clipped for step in done),
            "learning_rate": done[-1].learning_rate,
            "tokens_per_second": mean(step.tokens_per_second for step in done),
            "update_ratio": mean(step.update_ratio for step in done),
        }
        self._put(
            {name: value for name, value in means.items() if value is not None}, done[-1].step
        )

    def add_epoch(self, epoch: Epoch) -> None:
        """Add the losses and the score of an epoch and write everything to MLflow."""
        values = {
            "epoch_train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            self.score_name: epoch.validation_score,
            "epoch_seconds": epoch.seconds,
            "skipped_steps": epoch.num_skipped,
        }
        self._put({name: float(value) for name, value in values.items()}, epoch.last_step)
        self.flush()

    def _put(self, values: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        self.points += [(name, value, step, now) for name, value in values.items()]

    def flush(self) -> None:
        """Write the buffered points."""
        if self.steps:
            self._make_points()
        points = self.points
        self.points = []
        if points:
            log_metrics(self.run_id, points)


@contextmanager
def metric_points(run_id: str, score_name: str) -> Iterator[MetricPoints]:
    """Collect metrics, and write the last of them even after an error."""
    points = MetricPoints(run_id, score_name)
    try:
        yield points
    finally:
        points.flush()

"""Metrics of a training as points of its MLflow run: averaged over steps, spooled, then sent."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from statistics import fmean

from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.registry.metric_spool import Spool
from tasks.registry.mlflow_client import log_metrics

STEPS_PER_POINT = 10  # MLflow's pages slow down with every point; the history file has all steps
PATIENCE_SECONDS = 300.0  # for MLflow to come back once the training is done
HURRY_SECONDS = 0.5  # after an error or a signal; the rest is sent by the next run


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values, without NaN; None if there is none."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return fmean(known) if known else None


class MetricPoints:
    """Metrics of steps, averaged over ten of them, in the spool of an MLflow run.

    A point ends at each tenth step and at the end of an epoch, also in a
    training that was resumed: the spool keeps the steps in between.

    Args:
        run_id: The MLflow run.
        score_name: Name of the metric of an epoch's validation score.
    """

    def __init__(self, run_id: str, score_name: str) -> None:
        self.score_name = score_name
        self.spool = Spool(run_id, log_metrics)
        self.steps = {item["step"]: TrainingStep(**item) for item in self.spool.pending}
        self.num_steps = 0

    def add_step(self, step: TrainingStep) -> None:
        """Count a step; every tenth makes a point."""
        self.num_steps = step.step + 1
        self.steps[step.step] = step  # of a step that is repeated, the newer
        if self.num_steps % STEPS_PER_POINT == 0:  # steps count from 0
            self._make_points(step.step)

    def _make_points(self, last: int) -> None:
        first = last - last % STEPS_PER_POINT
        done = [self.steps[number] for number in sorted(self.steps) if first <= number <= last]
        done = [step for step in done if step.epoch == done[-1].epoch]
        self.steps = {number: step for number, step in self.steps.items() if number > last}
        means = {
            "train_loss": mean(step.loss for step in done),
            "gradient_norm": mean(step.gradient_norm for step in done),
            "clipped_share": mean(step.is_clipped for step in done),
            "learning_rate": done[-1].learning_rate,
            "tokens_per_second": mean(step.tokens_per_second for step in done),
            "update_ratio": mean(step.update_ratio for step in done),
        }
        self._put({name: value for name, value in means.items() if value is not None}, last)

    def add_epoch(self, epoch: Epoch) -> None:
        """Add the losses and the score of an epoch, and send everything to MLflow."""
        self._note_epoch(epoch)
        self.flush()

    def add_history(self, history: TrainingHistory) -> None:
        """Add all points of a training that are missing, and send them."""
        for epoch in history.epochs:
            for step in history.steps:
                if step.epoch == epoch.epoch:
                    self.add_step(step)
            self._note_epoch(epoch)
        self.flush()

    def _note_epoch(self, epoch: Epoch) -> None:
        if epoch.last_step in self.steps:
            self._make_points(epoch.last_step)
        values = {
            "epoch_train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            self.score_name: epoch.validation_score,
            "epoch_seconds": epoch.seconds,
            "skipped_steps": epoch.num_skipped,
        }
        self._put({name: float(value) for name, value in values.items()}, epoch.last_step)

    def _put(self, values: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        for name, value in values.items():
            self.spool.add(name, value, step, now)

    def flush(self) -> None:
        """Write the points, and the steps of the next one, to the disk; a thread sends them."""
        self.spool.write(vars(step) for step in self.steps.values())


@contextmanager
def metric_points(run_id: str, score_name: str) -> Iterator[MetricPoints]:
    """Collect metrics; what is not sent in time stays in the spool, and a later run sends it."""
    points = MetricPoints(run_id, score_name)
    try:
        yield points
    except BaseException:
        points.flush()
        points.spool.close(HURRY_SECONDS)
        raise
    points.flush()
    points.spool.close(PATIENCE_SECONDS)

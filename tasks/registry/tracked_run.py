"""Metrics of a training as points of its MLflow run: averaged over steps, spooled, then sent."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from statistics import fmean

from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.registry.metric_spool import Spool
from tasks.registry.mlflow_client import log_metrics
from tasks.registry.system_load import SystemLoad

# MLflow's pages slow down with every point; the history file has all steps. With these numbers a
# training of fifty million steps has fewer than 2,000 points of each metric.
STEPS_PER_POINT = 10
POINTS_PER_LEVEL = 250  # then a point has four times as many steps as before
PATIENCE_SECONDS = 300.0  # for MLflow to come back once the training is done
HURRY_SECONDS = 0.5  # after an error or a signal; the rest is sent by the next run


def span_of_point(step: int) -> range:
    """Return the steps whose mean makes the point that a step is part of.

    It depends on nothing but the number of the step, so a training that was
    resumed makes the points of a whole one.

    Example:
        >>> span_of_point(13), span_of_point(2500)
        (range(10, 20), range(2500, 2540))
    """
    start = 0
    size = STEPS_PER_POINT
    while step >= start + size * POINTS_PER_LEVEL:
        start += size * POINTS_PER_LEVEL
        size *= 4
    first = step - (step - start) % size
    return range(first, first + size)


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values, without NaN; None if there is none."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return fmean(known) if known else None


class MetricPoints:
    """Metrics of steps, averaged over ten of them or more, in the spool of an MLflow run.

    A point ends where ``span_of_point`` does and at the end of an epoch, also
    in a training that was resumed: the spool keeps the steps in between.

    Args:
        run_id: The MLflow run.
        score_name: Name of an epoch's validation score.
    """

    def __init__(self, run_id: str, score_name: str) -> None:
        self.score_name = score_name
        self.spool = Spool(run_id, log_metrics)
        self.steps = {item["step"]: TrainingStep(**item) for item in self.spool.pending}
        self.num_steps = 0
        self.load = SystemLoad()

    def follow_step(self, step: TrainingStep) -> None:
        """Count a step that was just made, and measure the load of the machine now and then."""
        self.add_step(step)
        found = self.load.measured()
        if found:
            self._put(found, step.step)

    def add_step(self, step: TrainingStep) -> None:
        """Count a step; the last one of a span makes a point."""
        self.num_steps = step.step + 1
        self.steps[step.step] = step  # of a step that is repeated, the newer
        if self.num_steps == span_of_point(step.step).stop:  # steps count from 0
            self._make_points(step.step)

    def _make_points(self, last: int) -> None:
        first = span_of_point(last).start
        done = [self.steps[number] for number in sorted(self.steps) if first <= number <= last]
        done = [step for step in done if step.epoch == done[-1].epoch]
        self.steps = {number: step for number, step in self.steps.items() if number > last}
        means = {
            "train/loss": mean(step.loss for step in done),
            "train/gradient_norm": mean(step.gradient_norm for step in done),
            "train/clipped_share": mean(step.is_clipped for step in done),
            "train/learning_rate": done[-1].learning_rate,
            "train/tokens_per_second": mean(step.tokens_per_second for step in done),
            "train/update_ratio": mean(step.update_ratio for step in done),
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
            "train/epoch_loss": epoch.train_loss,
            "validation/loss": epoch.validation_loss,
            f"validation/{self.score_name}": epoch.validation_score,
            "train/epoch_seconds": epoch.seconds,
            "train/skipped_steps": epoch.num_skipped,
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

"""When a training is saved: after steps, seconds and epochs, and where it may end."""

import time
from collections.abc import Callable
from pathlib import Path

from rnn_models.checkpoints.checkpoint import check_finite
from rnn_models.settings import TrainSettings
from rnn_models.training.resume import Resumable, save_training

# Between two savings by time or epoch lies this many times what the last one took, so they cost
# 1 % of a training at most, however large the model or slow the disk.
LEAST_RATIO = 100


class Saving:
    """The savings of one training; none without a file.

    Args:
        path: File of the state, or None.
        settings: Of the training, with the interval in steps and in seconds.
        before: Called before each saving.
    """

    def __init__(
        self, path: Path | None, settings: TrainSettings, before: Callable[[], None]
    ) -> None:
        self.path = path
        self.settings = settings
        self.before = before
        self.num_steps = 0
        self.saved = time.perf_counter()
        self.cost_seconds = 0.0

    def start(self, num_steps: int) -> None:
        """Count the interval from now, at a number of steps."""
        self.num_steps = num_steps
        self.saved = time.perf_counter()

    def save(self, training: Resumable) -> None:
        """Write all that the next step needs.

        Raises:
            FloatingPointError: If a weight is not finite: such a state would end every later run.
        """
        if self.path is None:
            return
        check_finite(
            dict(training.model.named_parameters()),
            f"the training stops at step {len(training.history.steps)}; what was saved before "
            f"stays. Lower learning_rate (now {self.settings.learning_rate:g})",
        )
        self.before()
        started = time.perf_counter()
        save_training(training, self.path)
        # The interval starts after the write, so a slow disk does not lead to one saving after the
        # other.
        self.start(len(training.history.steps))
        self.cost_seconds = self.saved - started

    def save_if_due(self, training: Resumable) -> None:
        """Save within an epoch, if the interval in steps or in seconds is over."""
        steps = len(training.history.steps) - self.num_steps
        has_made_steps = 0 < self.settings.save_steps <= steps
        if has_made_steps or self._has_passed(self.settings.save_seconds):
            self.save(training)

    def save_epoch(self, training: Resumable, *, is_last: bool) -> None:
        """Save after an epoch, but not after each of many short ones."""
        if is_last or self._has_passed(0.0):
            self.save(training)

    def _has_passed(self, seconds: float) -> bool:
        """Whether the last saving is so long ago, and so long that one more costs little."""
        least = max(seconds, LEAST_RATIO * self.cost_seconds)
        return time.perf_counter() - self.saved > least

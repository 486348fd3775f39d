"""Log lines for a person who waits for a training."""

import logging
import time

from rnn_models.training.history import TrainingStep

log = logging.getLogger(__name__)
LOG_EVERY_SECONDS = 5.0
SMOOTHING = 0.95  # of the speed: about the last twenty steps count


class Progress:
    """The progress of an epoch: a line every few seconds, with an upper bound of the time left."""

    def __init__(self, epoch: int, max_epochs: int, num_steps: int) -> None:
        self.epoch = epoch
        self.max_epochs = max_epochs
        self.num_steps = num_steps
        self.started = self.shown = time.perf_counter()
        self.done = 0
        self.speed = 0.0

    def show(self, step: TrainingStep) -> None:
        """Count a step and, if the last line is old enough, log the progress."""
        self.done += 1
        speed = step.tokens_per_second
        self.speed = SMOOTHING * self.speed + (1 - SMOOTHING) * speed if self.speed else speed
        now = time.perf_counter()
        if now - self.shown < LOG_EVERY_SECONDS:
            return
        self.shown = now
        # An upper bound: early stopping may end the training before its last epoch.
        left = self.num_steps - self.done + self.num_steps * (self.max_epochs - self.epoch)
        seconds = round(left * (now - self.started) / self.done)
        log.info(
            "epoch %d of %d, step %d of %d: loss %.3f, gradient norm %.2f%s, "
            "%s source tokens/s, at most %d:%02d left",
            self.epoch,
            self.max_epochs,
            self.done,
            self.num_steps,
            step.loss,
            step.gradient_norm,
            " (clipped)" if step.is_clipped else "",
            f"{self.speed:,.0f}",
            *divmod(seconds, 60),
        )

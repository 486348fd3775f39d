"""Log lines for a person who waits for a training."""

import logging
import time

log = logging.getLogger(__name__)
LOG_EVERY_SECONDS = 5.0


class Progress:
    """Where an epoch stands: a line every few seconds, with the time that is left at most."""

    def __init__(self, epoch: int, max_epochs: int, num_steps: int) -> None:
        self.epoch = epoch
        self.max_epochs = max_epochs
        self.num_steps = num_steps
        self.started = self.shown = time.perf_counter()
        self.done = 0
        self.speed = 0.0

    def show(
        self, *, loss: float, gradient_norm: float, is_clipped: bool, tokens_per_second: float
    ) -> None:
        """Count a step and, if the last line is old enough, log where things stand."""
        self.done += 1
        self.speed = (
            0.95 * self.speed + 0.05 * tokens_per_second if self.speed else tokens_per_second
        )
        now = time.perf_counter()
        if now - self.shown < LOG_EVERY_SECONDS:
            return
        self.shown = now
        left = self.num_steps - self.done + self.num_steps * (self.max_epochs - self.epoch)
        seconds = round(left * (now - self.started) / self.done)
        log.info(
            "epoch %d of %d, step %d of %d: loss %.3f, gradient norm %.2f%s, %s source tokens/s, at most %d:%02d left",
            self.epoch,
            self.max_epochs,
            self.done,
            self.num_steps,
            loss,
            gradient_norm,
            " (clipped)" if is_clipped else "",
            f"{self.speed:,.0f}",
            *divmod(seconds, 60),
        )

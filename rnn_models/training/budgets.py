"""Budgets of the run that trains: its minutes and its memory, reached in good order.

A training that reaches one ends as at any other limit: it is validated, and the
stages after it score it. Before its first step there is nothing to score, so
it does not begin.
"""

from collections.abc import Callable

from rnn_models.diagnostics.process_memory import resident_bytes
from rnn_models.settings import TrainSettings

TRAINING_SHARE = 0.8  # of the minutes of a run; the rest is for the stages after the training
GIGABYTE = 1e9


class Budgets:
    """What a run may use, and which budget it used up first."""

    def __init__(self, settings: TrainSettings, run_seconds: Callable[[], float] = lambda: 0.0):
        """Bound a run that tells how many seconds it has taken so far."""
        self.minutes = TRAINING_SHARE * settings.max_run_minutes
        self.gigabytes = settings.max_memory_gb
        self.run_seconds = run_seconds
        self.used_up = ""

    def reached(self) -> str:
        """Name the budget that is used up, now or before; empty if none is.

        A process may give memory back, such as after a validation. A training that has ended an
        epoch early would then go on with the next one.
        """
        if not self.used_up:
            self.used_up = self._exceeded()
        return self.used_up

    def _exceeded(self) -> str:
        if self.minutes and self.run_seconds() / 60 >= self.minutes:
            return "max_run_minutes"
        is_full = self.gigabytes and resident_bytes() / GIGABYTE >= self.gigabytes
        return "max_memory_gb" if is_full else ""

    def check(self) -> None:
        """Check that something is left for a training that has no step yet.

        Raises:
            ValueError: If nothing is; with what was used and the setting.
        """
        reached = self.reached()
        if reached == "max_run_minutes":
            raise ValueError(
                f"the run has taken {self.run_seconds() / 60:.1f} minutes before its training, "
                f"which must end after {self.minutes:.1f}, four fifths of "
                "training.max_run_minutes: raise it, or lower tokens.limit"
            )
        if reached:
            raise ValueError(
                f"the process has {resident_bytes() / GIGABYTE:.2f} GB of memory before the first "
                f"step, training.max_memory_gb is {self.gigabytes:g}: raise it, or lower "
                "tokens.limit or the sizes of the model"
            )

"""The training history: steps, epochs, and the weights of the best epoch."""

import math
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class TrainingStep:
    """One optimizer update.

    The loss is in nats per unit, without label smoothing; the gradient norm is
    the one before clipping.
    ``allowed_norm`` is the largest norm that clipping allowed, infinite where
    it goes by value or there is none. ``update_ratio`` is the norm of the
    update divided by that of the weights, where it was measured.
    """

    epoch: int
    step: int
    loss: float
    gradient_norm: float
    is_clipped: bool
    learning_rate: float
    tokens_per_second: float
    allowed_norm: float = math.inf
    update_ratio: float | None = None


@dataclass(frozen=True)
class Epoch:
    """One pass over the training split, or the part before a limit; losses in nats per unit.

    Both losses are plain negative log-likelihoods, without label smoothing, so
    they can be compared. ``validation_score`` is the headline metric of
    ``validation.headline_of``. Where ``is_chosen_by_score``, it decides which
    epoch is the best (higher is better; of equal scores, the lower loss),
    otherwise the loss does. ``gradient_decay`` is what
    ``gradient_decay`` measures at its end.
    """

    epoch: int
    last_step: int
    train_loss: float
    validation_loss: float
    clipped_share: float
    seconds: float
    num_skipped: int = 0
    validation_score: float = math.nan
    is_chosen_by_score: bool = False
    is_whole: bool = True
    gradient_decay: dict[str, list[float]] = field(default_factory=dict)

    @property
    def cost(self) -> tuple[bool, float, float]:
        """The sort key of epochs, lower is better: NaN last, then what decides, then the loss."""
        # Any comparison with NaN is False, so min() would keep the first NaN for good.
        first = -self.validation_score if self.is_chosen_by_score else self.validation_loss
        return math.isnan(first) or math.isnan(self.validation_loss), first, self.validation_loss


@dataclass
class TrainingHistory:
    """Steps and epochs of a training, why it ended, and the weights of its best epoch."""

    steps: list[TrainingStep] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    ended: str = ""

    @property
    def best(self) -> Epoch:
        """The epoch that validates best: of equals the first; NaN loses against any number."""
        return min(self.epochs, key=lambda epoch: epoch.cost)

    @property
    def is_best_last(self) -> bool:
        """Whether the last epoch is the best so far."""
        return self.best is self.epochs[-1]

    @property
    def open_steps(self) -> list[TrainingStep]:
        """Steps of the unfinished epoch."""
        number = len(self.epochs) + 1
        found = list[TrainingStep]()
        # From the end: in a long training nearly all steps belong to earlier epochs.
        for step in reversed(self.steps):
            if step.epoch != number:
                break
            found.append(step)
        return found[::-1]

    @property
    def num_non_finite(self) -> int:
        """Number of steps in a row, up to the last one, whose gradient was not finite."""
        index = len(self.steps)
        while index and not math.isfinite(self.steps[index - 1].gradient_norm):
            index -= 1
        return len(self.steps) - index


def stalls(epochs: list[Epoch]) -> tuple[int, int]:
    """Count the epochs without improvement of score or loss.

    Early in a training a score may stay at 0, below what chance gave in the
    first epoch, while the loss falls: such a training must not stop.

    Returns:
        All of them, and those in a row up to the last epoch.
    """
    # before any epoch: as bad as NaN
    best = (True, -math.inf, -math.inf)
    lowest = math.inf
    total = 0
    in_a_row = 0
    for epoch in epochs:
        is_better = epoch.cost < best or epoch.validation_loss < lowest
        best = min(best, epoch.cost)
        lowest = min(lowest, epoch.validation_loss)
        total = total + (not is_better)
        in_a_row = 0 if is_better else in_a_row + 1
    return total, in_a_row

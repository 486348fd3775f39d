"""A model in training and its optimizer update: teacher forcing, BPTT, clipping, averaging."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from rnn_models.batching.batch import Batch, Examples, epoch_batches
from rnn_models.batching.windows import State, Window
from rnn_models.devices import autocast, find_device, seed_generators
from rnn_models.layers.word_vectors import Vectors, start_from_vectors
from rnn_models.problem import Loss, Problem, Sizes
from rnn_models.settings import TrainSettings
from rnn_models.training.budgets import Budgets
from rnn_models.training.clipping import Clipper
from rnn_models.training.history import TrainingHistory, TrainingStep, stalls
from rnn_models.training.optimizer import Averaging, UpdateMeter, learning_rate, make_optimizer

log = logging.getLogger(__name__)
# The setting that bounds the gradients of each way of clipping.
BOUNDS = {"norm": "clip_norm", "value": "clip_value", "adaptive": "clip_percentile", "none": ""}
# One exploding batch is skipped; as many in a row mean that the weights are beyond repair.
MAX_NON_FINITE = 5
# More than the steps of a training, so that no two seeds share the seed of a generator.
SEED_STRIDE = 1_000_003


class Training:
    """A model in training: weights, optimizer, clipping, averages and the history so far.

    All randomness of a step follows from the seed and the step's number. So a
    training that is interrupted and resumed ends with the same weights, bit by
    bit, as one that is not.
    """

    def __init__(
        self,
        problem: Problem,
        sizes: Sizes,
        settings: TrainSettings,
        vectors: Vectors | None = None,
    ) -> None:
        # Before the model is built: its initial weights come from the global generator.
        torch.manual_seed(settings.seed)
        self.problem = problem
        self.sizes = sizes
        self.settings = settings
        self.device = find_device(settings.device)
        # Built on the CPU: generators of other devices would draw other initial weights.
        self.model = problem.build(sizes, settings)
        if vectors:
            start_from_vectors(self.model, vectors, sizes, settings)
        self.model.to(self.device)
        # Word vectors that are not tuned take no update, so clipping and update ratio leave them
        # out.
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, settings)
        self.averaging = Averaging(self.model, settings)
        self.meter = UpdateMeter(self.parameters)
        self.clipper = Clipper(settings)
        self.history = TrainingHistory()
        self.carried: State = ()  # hidden state that the next window of truncated BPTT starts from
        self.seconds = 0.0  # of the unfinished epoch, up to its last saving
        self.budgets = Budgets(settings)

    def plan(
        self, train: Examples, number: int
    ) -> tuple[Sequence[Any], Callable[[Any], Batch | Window]]:
        """Plan an epoch.

        Returns:
            The keys of its batches in their order, and a function that makes a
            batch from its key.
        """
        s = self.settings
        if s.bptt_window and self.problem.windows:
            windows = self.problem.windows.cut(train, s, number)
            return range(len(windows)), windows.__getitem__
        batches = epoch_batches(
            train, size=s.batch_size, tokens=s.batch_tokens, seed=s.seed, epoch=number
        )
        return batches, train.batch

    def train_step(
        self, batches: Sequence[Batch | Window], *, epoch: int, num_steps: int
    ) -> TrainingStep:
        """Make one optimizer update from the summed gradients of some batches.

        Args:
            batches: One, or several where gradients are accumulated.
            epoch: Number of the epoch, counted from 1.
            num_steps: Steps of the whole training, which the schedule needs.

        Raises:
            FloatingPointError: If the gradient is not finite several times in a row.
        """
        started = time.perf_counter()
        number = len(self.history.steps)
        # A fresh seed per step: dropout masks after a resume are those of an uninterrupted run.
        seed_generators(self.device, self.settings.seed * SEED_STRIDE + number)
        rate = learning_rate(number, num_steps, stalls(self.history.epochs)[0], self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._backward(batches)
        clipped = self.clipper(self.parameters)
        # Adam would keep a NaN in its averages for good, so such a gradient makes no update.
        is_finite = math.isfinite(clipped.norm)
        ratio = self._update(number) if is_finite else None
        if not is_finite:
            self._skip(clipped.norm, batches, number)
        speed = sum(batch.num_tokens for batch in batches) / (time.perf_counter() - started)
        return TrainingStep(
            epoch=epoch,
            step=number,
            loss=loss,
            gradient_norm=clipped.norm,
            is_clipped=clipped.is_clipped,
            learning_rate=rate,
            tokens_per_second=speed,
            allowed_norm=clipped.allowed,
            update_ratio=ratio,
        )

    def _backward(self, batches: Sequence[Batch | Window]) -> float:
        """Compute the gradient of the mean loss per unit over all batches.

        Returns:
            That loss without label smoothing.
        """
        self.optimizer.zero_grad()
        plain = torch.zeros((), device=self.device)
        units = 0
        first = 0
        for batch in batches:
            found = self._loss(batch.to(self.device))
            # With one batch, the usual case, the loss is divided by its units once and no gradient
            # is read again. More batches are corrected below.
            first = first or found.units
            # BPTT: autograd unrolls the recurrence and adds up the gradient of each weight over
            # all time steps, back to the start of the text or of the window.
            (found.nats / first).backward()  # type: ignore[no-untyped-call]
            plain = plain + found.plain
            units = units + found.units
        if units != first:  # the units of all batches are known only now
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(first / units)
        return float(plain / units)

    def _loss(self, batch: Batch | Window) -> Loss:
        with autocast(self.device, self.settings.precision):
            if isinstance(batch, Batch):
                return self.problem.loss(self.model, batch)
            assert self.problem.windows
            found, state = self.problem.windows.loss(self.model, batch, self.carried)
        # Truncated BPTT: the state goes on to the next window, its graph does not, or memory
        # and the way back would grow with the length of the text.
        self.carried = tuple(s.detach() for s in state)
        return found

    def _update(self, number: int) -> float | None:
        """Update the weights, and return the size of the update where it is measured."""
        every = self.settings.measure_every
        is_measured = bool(every) and number % every == 0
        if is_measured:
            self.meter.start()
        self.optimizer.step()
        self.averaging.add_step(number)
        return self.meter.ratio() if is_measured else None

    def _skip(self, norm: float, batches: Sequence[Batch | Window], number: int) -> None:
        """Log a step that makes no update.

        Raises:
            FloatingPointError: If it is one too many in a row.
        """
        examples = [int(i) for batch in batches for i in batch.indices]
        log.warning("step %d skipped: gradient norm is %s, examples %s", number, norm, examples[:8])
        self.carried = ()  # a state that is not finite would spoil all windows after it
        if self.history.num_non_finite + 1 >= MAX_NON_FINITE:
            name = BOUNDS[self.settings.clipping]
            bound = (
                f"{name} (now {getattr(self.settings, name):g})"
                if name
                else "turn clipping on (now none)"
            )
            raise FloatingPointError(
                f"training stopped at step {number}: the gradient was not finite "
                f"{MAX_NON_FINITE} times in a row. Lower learning_rate "
                f"(now {self.settings.learning_rate:g}) or {bound}, "
                "and look at the examples named above."
            )

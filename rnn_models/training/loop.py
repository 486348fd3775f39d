"""The training loop: teacher forcing, clipped BPTT, schedule, early stopping, limits, resume."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_models.batching.batch import Batch, Examples, epoch_batches
from rnn_models.batching.windows import State, Window
from rnn_models.devices import autocast, find_device, seed_generators
from rnn_models.layers.word_vectors import Vectors, start_from_vectors
from rnn_models.problem import Loss, Problem, Sizes
from rnn_models.settings import TrainSettings
from rnn_models.training.clipping import Clipper
from rnn_models.training.gradient_decay import gradient_decay
from rnn_models.training.history import Epoch, History, Step, stalls
from rnn_models.training.optimizer import Averaging, UpdateMeter, learning_rate, make_optimizer
from rnn_models.training.progress import Progress
from rnn_models.training.resume import load_training, save_training
from rnn_models.training.validation import (
    headline_of,
    headline_score,
    how_chosen,
    is_chosen_by_score,
    mean_loss,
)

log = logging.getLogger(__name__)
BOUNDS = {"norm": "clip_norm", "value": "clip_value", "adaptive": "clip_percentile", "none": ""}
MAX_NON_FINITE = 5  # steps in a row after which a training has no future
SAVE_EVERY_SECONDS = 120.0  # what a lost machine costs at most


@dataclass(frozen=True)
class Hooks:
    """What is called after each update, after each epoch, before each saving, and to learn whether to stop."""

    on_step: Callable[[Step], None] = lambda step: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_save: Callable[[], None] = lambda: None
    is_stopping: Callable[[], bool] = lambda: False


class Training:
    """A model on its way: weights, optimiser, what happened so far.

    All randomness of a step follows from the seed and the step's number, so a
    training that was killed and goes on from what was saved last ends with the
    very weights of one that was not.
    """

    def __init__(
        self,
        problem: Problem,
        sizes: Sizes,
        settings: TrainSettings,
        vectors: Vectors | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.problem = problem
        self.sizes = sizes
        self.settings = settings
        self.device = find_device(settings.device)
        self.model = problem.build(
            sizes, settings
        )  # on the CPU, so that it starts alike on every device
        if vectors:
            start_from_vectors(self.model, vectors, sizes, settings)
        self.model.to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, settings)
        self.averaging = Averaging(self.model, settings)
        self.meter = UpdateMeter(self.parameters)
        self.clipper = Clipper(settings)
        self.history = History()
        self.carried: State = ()
        self.seconds = 0.0  # of the epoch that has no end yet, up to its last saving

    def train_batch(self, batch: Batch | Window, *, epoch: int, num_steps: int) -> Step:
        """Make one optimiser update of one batch."""
        return self.train_step([batch], epoch=epoch, num_steps=num_steps)

    def train_step(self, batches: Sequence[Batch | Window], *, epoch: int, num_steps: int) -> Step:
        """Make one optimiser update of the gradients of some batches together, and say how it went.

        Raises:
            FloatingPointError: If the gradient was not finite several times in a row.
        """
        started = time.perf_counter()
        number = len(self.history.steps)
        seed_generators(self.device, self.settings.seed * 1_000_003 + number)
        rate = learning_rate(number, num_steps, stalls(self.history.epochs)[0], self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._backward(batches)
        clipped = self.clipper(self.parameters)
        is_finite = math.isfinite(clipped.norm)
        ratio = self._update(number) if is_finite else None
        if not is_finite:
            self._skip(clipped.norm, batches, number)
        speed = sum(batch.num_tokens for batch in batches) / (time.perf_counter() - started)
        return Step(
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
        """Leave the gradient of the mean loss per unit of all batches, and return that loss without label smoothing."""
        self.optimizer.zero_grad()
        plain = torch.zeros((), device=self.device)
        units = 0
        first = 0
        for batch in batches:
            found = self._loss(batch.to(self.device))
            first = first or found.units
            (found.nats / first).backward()  # type: ignore[no-untyped-call]
            plain = plain + found.plain
            units = units + found.units
        if units != first:  # the units of all batches are known only now
            torch._foreach_mul_(
                [p.grad for p in self.parameters if p.grad is not None], first / units
            )
        return float(plain / units)

    def _loss(self, batch: Batch | Window) -> Loss:
        with autocast(self.device, self.settings.precision):
            if isinstance(batch, Batch):
                return self.problem.loss(self.model, batch)
            assert self.problem.windows
            found, state = self.problem.windows.loss(self.model, batch, self.carried)
        self.carried = tuple(s.detach() for s in state)
        return found

    def _update(self, number: int) -> float | None:
        """Change the weights, and say by how much where it is to be measured."""
        every = self.settings.measure_every
        is_measured = bool(every) and number % every == 0
        if is_measured:
            self.meter.start()
        self.optimizer.step()
        self.averaging.add_step(number)
        return self.meter.ratio() if is_measured else None

    def _skip(self, norm: float, batches: Sequence[Batch | Window], number: int) -> None:
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
                f"training stopped at step {number}: the gradient was not finite {MAX_NON_FINITE} times "
                f"in a row. Lower learning_rate (now {self.settings.learning_rate:g}) or {bound}, and look at the examples "
                "named above."
            )

    def plan(
        self, train: Examples, number: int
    ) -> tuple[Sequence[Any], Callable[[Any], Batch | Window]]:
        """The batches of an epoch by name, and what makes one of its name."""
        s = self.settings
        if s.bptt_window and self.problem.windows:
            windows = self.problem.windows.cut(train, s, number)
            return range(len(windows)), windows.__getitem__
        return epoch_batches(
            train, size=s.batch_size, tokens=s.batch_tokens, seed=s.seed, epoch=number
        ), train.batch

    def train_epoch(
        self, train: Examples, validation: Examples, hooks: Hooks, resume: Path | None
    ) -> Epoch:
        """Pass once over the training split, or to a limit or from where it was left, and validate."""
        started = time.perf_counter() - self.seconds
        number = len(self.history.epochs) + 1
        s = self.settings
        order, make = self.plan(train, number)
        num_steps = -(-len(order) // s.accumulate)
        all_steps = min(num_steps * s.max_epochs, s.max_steps or math.inf)
        done = len(self.history.open_steps)
        saved = time.perf_counter()
        progress = Progress(number, s.max_epochs, num_steps)
        self.carried = self.carried if done else ()
        self.model.train()
        while done < num_steps and not (done and self._limit()):
            batches = [
                make(name) for name in order[done * s.accumulate : (done + 1) * s.accumulate]
            ]
            step = self.train_step(batches, epoch=number, num_steps=int(all_steps))
            self.history.steps.append(step)
            progress.show(
                loss=step.loss,
                gradient_norm=step.gradient_norm,
                is_clipped=step.is_clipped,
                tokens_per_second=step.tokens_per_second,
            )
            hooks.on_step(step)
            done = done + 1
            self.seconds = time.perf_counter() - started
            if hooks.is_stopping():
                self._stop(resume, hooks)
            is_cut = done < num_steps and bool(self._limit())
            if resume and (is_cut or time.perf_counter() - saved > SAVE_EVERY_SECONDS):
                self.save(resume, hooks)
                saved = time.perf_counter()
        decay = (
            gradient_decay(self.problem, self.model, make(order[0]).to(self.device))
            if s.measure_every
            else {}
        )
        return self._end_epoch(validation, started, is_whole=done == num_steps, decay=decay)

    def _stop(self, resume: Path | None, hooks: Hooks) -> None:
        """Save, where there is a file to save to, and end.

        Raises:
            KeyboardInterrupt: Always.
        """
        if resume:
            self.save(resume, hooks)
            log.info(
                "saved at step %d, in epoch %d",
                len(self.history.steps),
                len(self.history.epochs) + 1,
            )
        raise KeyboardInterrupt

    def _end_epoch(
        self, validation: Examples, started: float, *, is_whole: bool, decay: dict[str, list[float]]
    ) -> Epoch:
        done = self.history.open_steps
        s = self.settings
        self.averaging.add_epoch()
        with self.averaging.applied():
            loss = mean_loss(self.problem, self.model, validation, s)
            score = headline_score(self.problem, self.model, validation, self.sizes, loss=loss)
        self.seconds = 0.0
        return Epoch(
            epoch=done[-1].epoch,
            last_step=done[-1].step,
            train_loss=sum(step.loss for step in done) / len(done),
            validation_loss=loss,
            clipped_share=sum(step.is_clipped for step in done) / len(done),
            seconds=time.perf_counter() - started,
            num_skipped=sum(not math.isfinite(step.gradient_norm) for step in done),
            validation_score=score,
            is_chosen_by_score=is_chosen_by_score(self.problem, s),
            is_whole=is_whole,
            gradient_decay=decay,
        )

    def _limit(self) -> str:
        """Which limit is reached, if any."""
        s = self.settings
        minutes = (sum(epoch.seconds for epoch in self.history.epochs) + self.seconds) / 60
        if s.max_steps and len(self.history.steps) >= s.max_steps:
            return "max_steps"
        return "max_minutes" if s.max_minutes and minutes >= s.max_minutes else ""

    def reason_to_stop(self) -> str:
        """Name the setting that ends the training now, if any does."""
        epochs = self.history.epochs
        s = self.settings
        if len(epochs) >= s.max_epochs:
            return "max_epochs"
        return "patience" if stalls(epochs)[1] >= s.patience else self._limit()

    def save(self, path: Path, hooks: Hooks) -> None:
        """Write all that the next step needs."""
        hooks.on_save()
        save_training(self, path)

    def add_epoch(self, epoch: Epoch) -> None:
        """Count an epoch; if it is the best so far, its weights are kept."""
        history = self.history
        history.epochs.append(epoch)
        if history.is_best_last:
            history.weights.clear()
            history.weights.update(self.averaging.weights())
        log.info(
            "epoch %d%s: train loss %.3f, validation loss %.3f, %s%s, %.0f %% of steps clipped, %d skipped, %.0f s",
            epoch.epoch,
            "" if epoch.is_whole else " in part",
            epoch.train_loss,
            epoch.validation_loss,
            headline_of(self.problem).shown(epoch.validation_score),
            " (best)" if history.is_best_last else "",
            100 * epoch.clipped_share,
            epoch.num_skipped,
            epoch.seconds,
        )


def fit(
    problem: Problem,
    train: Examples,
    validation: Examples,
    sizes: Sizes,
    settings: TrainSettings,
    *,
    vectors: Vectors | None = None,
    resume: Path | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_save: Callable[[], None] = lambda: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> History:
    """Train a model and keep the weights of its best epoch.

    Args:
        problem: What is learnt.
        train: Examples to learn from, at least one.
        validation: Examples that decide when to stop, at least one.
        sizes: Of the vocabularies.
        settings: Of model and training.
        vectors: To start the source embedding from.
        resume: File to which the training is saved after each epoch, every two
            minutes and at a limit; if it is there, the training goes on from it.
        on_step: Called after each optimiser update.
        on_epoch: Called after each epoch.
        on_save: Called before each saving.
        is_stopping: Called after each update; where it is true, the training is saved and ends.

    Raises:
        KeyboardInterrupt: If ``is_stopping`` was true.
    """
    hooks = Hooks(on_step, on_epoch, on_save, is_stopping)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        training = Training(problem, sizes, settings, vectors)
        history = training.history
        if resume and resume.exists():
            load_training(training, resume)
            log.info(
                "going on after epoch %d and %d more steps",
                len(history.epochs),
                len(history.open_steps),
            )
        log.info(how_chosen(problem, settings, len(validation)))
        while history.open_steps or not training.reason_to_stop():
            epoch = training.train_epoch(train, validation, hooks, resume)
            training.add_epoch(epoch)
            if resume and epoch.is_whole:  # at a limit it was saved where it can go on
                training.save(resume, hooks)
            hooks.on_epoch(epoch)
        history.ended = training.reason_to_stop()
        best = history.best
        score = headline_of(problem).shown(best.validation_score)
        log.info(
            "the training ended by %s; best is epoch %d of %d, %s",
            history.ended,
            best.epoch,
            len(history.epochs),
            score,
        )
    return history

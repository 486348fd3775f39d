"""The training loop: epochs, validation, early stopping, limits, saving and resuming."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from rnn_models.batching.batch import Examples
from rnn_models.checkpoints.checkpoint import check_finite
from rnn_models.layers.word_vectors import Vectors
from rnn_models.problem import Problem, Sizes
from rnn_models.settings import TrainSettings
from rnn_models.training.budgets import Budgets
from rnn_models.training.gradient_decay import gradient_decay
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep, stalls
from rnn_models.training.progress import Progress
from rnn_models.training.resume import load_training
from rnn_models.training.saving import Saving
from rnn_models.training.training_state import Training
from rnn_models.training.validation import (
    headline_of,
    headline_score,
    how_chosen,
    is_chosen_by_score,
    mean_loss,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hooks:
    """Functions that the loop calls.

    ``on_step`` runs after each update, ``on_epoch`` after each epoch,
    ``on_save`` before each saving. ``is_stopping`` runs after each update; the
    training saves and ends where it returns True. ``run_seconds`` tells how long
    the run that trains has taken so far.
    """

    on_step: Callable[[TrainingStep], None] = lambda step: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_save: Callable[[], None] = lambda: None
    is_stopping: Callable[[], bool] = lambda: False
    run_seconds: Callable[[], float] = lambda: 0.0


def fit(
    problem: Problem,
    train: Examples,
    validation: Examples,
    sizes: Sizes,
    settings: TrainSettings,
    *,
    vectors: Vectors | None = None,
    resume: Path | None = None,
    on_step: Callable[[TrainingStep], None] = lambda step: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_save: Callable[[], None] = lambda: None,
    is_stopping: Callable[[], bool] = lambda: False,
    run_seconds: Callable[[], float] = lambda: 0.0,
) -> TrainingHistory:
    """Train a model and keep the weights of its best epoch.

    Args:
        problem: The kind of learning.
        train: Examples to learn from, at least one.
        validation: Examples that decide when to stop, at least one.
        sizes: Sizes of the vocabularies.
        settings: Settings of model and training.
        vectors: Word vectors to start the source embedding from.
        resume: File to which the training is saved: after an epoch, unless many
            are short, after ``save_steps`` and ``save_seconds`` within one, and
            at a limit. The state before is kept beside it. The training
            continues from the newest that is valid.
        on_step: Called after each optimizer update.
        on_epoch: Called after each epoch.
        on_save: Called before each saving.
        is_stopping: Called after each update; if it returns True, the training
            is saved and ends.
        run_seconds: How long the run that trains has taken so far.

    Raises:
        KeyboardInterrupt: If ``is_stopping`` returned True.
        ValueError: If a limit of the run is reached before the first step.
    """
    hooks = Hooks(on_step, on_epoch, on_save, is_stopping, run_seconds)
    # The caller's random numbers must not depend on a training, which seeds the global generators
    # at each step.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        training = Training(problem, sizes, settings, vectors)
        if resume:
            _resume(training, resume)
        training.budgets = Budgets(settings, run_seconds)
        if not training.history.steps:
            training.budgets.check()
        saving = Saving(resume, settings, on_save)
        saving.start(len(training.history.steps))
        log.info(how_chosen(problem, settings, len(validation)))
        # An epoch that was interrupted is finished and validated even if a limit is reached.
        while training.history.open_steps or not reason_to_stop(training):
            epoch = train_epoch(training, train, validation, hooks, saving)
            add_epoch(training, epoch)
            # At a limit the state was saved before validation, where the epoch can continue.
            if epoch.is_whole:
                saving.save_epoch(training, is_last=bool(reason_to_stop(training)))
            hooks.on_epoch(epoch)
        training.history.ended = reason_to_stop(training)
        check_trained(training)
        _log_end(training)
    return training.history


def train_epoch(
    training: Training, train: Examples, validation: Examples, hooks: Hooks, saving: Saving
) -> Epoch:
    """Train for one epoch, or for the rest of one, up to its end or to a limit, and validate."""
    s = training.settings
    number = len(training.history.epochs) + 1
    # As if the epoch had begun earlier by what it took before an interruption.
    started = time.perf_counter() - training.seconds
    # Keys and not batches: a resumed epoch skips the steps that are done without making their
    # batches.
    keys, make_batch = training.plan(train, number)
    num_steps = -(-len(keys) // s.accumulate)
    # max_steps shortens the schedule too: one that never comes down wastes the steps.
    all_steps = int(min(num_steps * s.max_epochs, s.max_steps or math.inf))
    done = len(training.history.open_steps)
    progress = Progress(number, s.max_epochs, num_steps)
    # An epoch starts without a state; one that is resumed continues the state of its streams.
    training.carried = training.carried if done else ()
    training.model.train()
    while done < num_steps and not (done and reached_limit(training)):
        batches = [make_batch(key) for key in keys[done * s.accumulate :][: s.accumulate]]
        step = training.train_step(batches, epoch=number, num_steps=all_steps)
        training.history.steps.append(step)
        progress.show(step)
        hooks.on_step(step)
        done += 1
        training.seconds = time.perf_counter() - started
        if hooks.is_stopping():
            _stop(training, saving)
        # Saved before the validation at a limit: the epoch can then continue later.
        is_cut = done < num_steps and bool(reached_limit(training))
        saving.save(training) if is_cut else saving.save_if_due(training)
    decay: dict[str, list[float]] = {}
    # The first batch of the epoch is as random as any other.
    if s.measure_every:
        batch = make_batch(keys[0]).to(training.device)
        decay = gradient_decay(training.problem, training.model, batch)
    return _validated(training, validation, started, is_whole=done == num_steps, decay=decay)


def _validated(
    training: Training,
    validation: Examples,
    started: float,
    *,
    is_whole: bool,
    decay: dict[str, list[float]],
) -> Epoch:
    """Validate the weights at the end of an epoch, averaged where settings say so."""
    steps = training.history.open_steps
    training.averaging.add_epoch()
    # The average is validated, since it is what is kept.
    with training.averaging.applied():
        loss = mean_loss(training.problem, training.model, validation, training.settings)
        # Logits that are not finite have no best path to decode.
        score = math.nan
        if math.isfinite(loss):
            score = headline_score(
                training.problem, training.model, validation, training.sizes, loss=loss
            )
    training.seconds = 0.0
    return Epoch(
        epoch=steps[-1].epoch,
        last_step=steps[-1].step,
        train_loss=sum(step.loss for step in steps) / len(steps),
        validation_loss=loss,
        clipped_share=sum(step.is_clipped for step in steps) / len(steps),
        seconds=time.perf_counter() - started,
        num_skipped=sum(not math.isfinite(step.gradient_norm) for step in steps),
        validation_score=score,
        is_chosen_by_score=is_chosen_by_score(training.problem, training.settings),
        is_whole=is_whole,
        gradient_decay=decay,
    )


def add_epoch(training: Training, epoch: Epoch) -> None:
    """Add an epoch to the history; if it is the best so far, keep its weights."""
    history = training.history
    history.epochs.append(epoch)
    if history.is_best_last:
        # Only the best weights are in memory: those of every epoch would be as many models.
        history.weights.clear()
        history.weights.update(training.averaging.weights())
    log.info(
        "epoch %d%s: train loss %.3f, validation loss %.3f, %s%s, "
        "%.0f %% of steps clipped, %d skipped, %.0f s",
        epoch.epoch,
        "" if epoch.is_whole else " in part",
        epoch.train_loss,
        epoch.validation_loss,
        headline_of(training.problem).shown(epoch.validation_score),
        " (best)" if history.is_best_last else "",
        100 * epoch.clipped_share,
        epoch.num_skipped,
        epoch.seconds,
    )


def reason_to_stop(training: Training) -> str:
    """Name the setting that ends the training now; empty if it continues."""
    epochs = training.history.epochs
    s = training.settings
    if len(epochs) >= s.max_epochs:
        return "max_epochs"
    # Early stopping: more epochs would fit the training split better and new texts worse.
    return "patience" if stalls(epochs)[1] >= s.patience else reached_limit(training)


def reached_limit(training: Training) -> str:
    """Name the limit of steps, minutes or memory that is reached; empty if none is."""
    s = training.settings
    history = training.history
    # Of all processes of this training: a resumed one has used a part of its limit.
    seconds = sum(epoch.seconds for epoch in history.epochs) + training.seconds
    if s.max_steps and len(history.steps) >= s.max_steps:
        return "max_steps"
    if s.max_minutes and seconds / 60 >= s.max_minutes:
        return "max_minutes"
    return training.budgets.reached()


def check_trained(training: Training) -> None:
    """Check that the weights that a training keeps can be used.

    Raises:
        FloatingPointError: If the loss of the best epoch or a weight is not finite.
    """
    best = training.history.best
    rate = training.settings.learning_rate
    advice = f"nothing is kept of it. Lower learning_rate (now {rate:g})"
    # Here and not at each step: a single step without a finite gradient is skipped and counted,
    # which is right.
    if not math.isfinite(best.validation_loss):
        raise FloatingPointError(
            f"the training has no epoch with a finite validation loss, so {advice}, and look at "
            "the validation rows"
        )
    check_finite(training.history.weights, advice)


def _stop(training: Training, saving: Saving) -> None:
    """Save the training, if there is a file to save it to, and end it.

    Raises:
        KeyboardInterrupt: Always.
    """
    history = training.history
    if saving.path:
        saving.save(training)
        log.info("saved at step %d, in epoch %d", len(history.steps), len(history.epochs) + 1)
    raise KeyboardInterrupt


def _resume(training: Training, path: Path) -> None:
    if not load_training(training, path):
        return
    history = training.history
    log.info(
        "going on after epoch %d and %d more steps", len(history.epochs), len(history.open_steps)
    )


def _log_end(training: Training) -> None:
    history = training.history
    best = history.best
    log.info(
        "the training ended by %s; best is epoch %d of %d, %s",
        history.ended,
        best.epoch,
        len(history.epochs),
        headline_of(training.problem).shown(best.validation_score),
    )

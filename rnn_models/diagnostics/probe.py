"""The first steps of a training, made to see its gradients, even if they explode."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from rnn_models.batching.batch import Batch, Examples
from rnn_models.batching.windows import Window
from rnn_models.layers.word_vectors import Vectors
from rnn_models.problem import Problem, Sizes
from rnn_models.settings import TrainSettings
from rnn_models.training.gradient_decay import gradient_decay
from rnn_models.training.history import TrainingStep
from rnn_models.training.progress import Progress
from rnn_models.training.training_state import Training

log = logging.getLogger(__name__)
# Gradients are followed through time in a batch at this quantile of the lengths: long, so that
# they have far to go, but not the longest, which may be unlike all others.
LONG = 0.9
Decay = dict[str, list[float]]


@dataclass(frozen=True)
class Probe:
    """The first steps of a training and its gradients through time.

    ``decay_before`` and ``decay_after`` are results of ``gradient_decay`` on
    the same batch, before the first step and after the last. ``fault`` says
    why the training stopped early; the step that failed is not in ``steps``.
    """

    steps: list[TrainingStep] = field(default_factory=list)
    decay_before: Decay = field(default_factory=dict)
    decay_after: Decay = field(default_factory=dict)
    fault: str = ""


def probe(
    problem: Problem,
    train: Examples,
    sizes: Sizes,
    settings: TrainSettings,
    *,
    num_steps: int,
    vectors: Vectors | None = None,
) -> Probe:
    """Make the first steps of a training, the same ones that ``fit`` makes, without validation.

    A training that explodes raises no error here: the probe reports it.

    Args:
        problem: The kind of learning.
        train: Examples to learn from, at least one.
        sizes: Sizes of the vocabularies.
        settings: Of model and training; the schedule is that of the whole training.
        num_steps: Optimizer updates, at most; a shorter training ends with its last.
        vectors: Word vectors to start the source embedding from.
    """
    # A probe seeds the global generators at each step, and the training after it must not notice.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        training = Training(problem, sizes, settings, vectors)
        batch = long_batch(training, train)
        fault = ""
        progress = Progress(1, 1, num_steps)
        before = gradient_decay(problem, training.model, batch)
        try:
            for step in first_steps(training, train, num_steps):
                progress.show(step)
        except FloatingPointError as error:
            fault = str(error)
            log.warning("%s", fault)
        after = gradient_decay(problem, training.model, batch)
        return Probe(training.history.steps, before, after, fault)


def first_steps(training: Training, train: Examples, num_steps: int) -> Iterator[TrainingStep]:
    """Make the first steps of a training, epoch after epoch, and yield each."""
    s = training.settings
    for epoch in range(1, s.max_epochs + 1):
        keys, make_batch = training.plan(train, epoch)
        starts = range(0, len(keys), s.accumulate)
        # The schedule of the whole training: one that is down after the probe would hide what
        # large steps do.
        all_steps = int(min(len(starts) * s.max_epochs, s.max_steps or math.inf))
        training.carried = ()
        training.model.train()
        for start in starts:
            if len(training.history.steps) >= min(num_steps, all_steps):
                return
            batches = [make_batch(key) for key in keys[start : start + s.accumulate]]
            step = training.train_step(batches, epoch=epoch, num_steps=all_steps)
            training.history.steps.append(step)
            yield step


def long_batch(training: Training, train: Examples) -> Batch | Window:
    """Make a batch of long sequences, through which a gradient has far to go."""
    keys, make_batch = training.plan(train, 1)
    first = make_batch(keys[0])
    if isinstance(first, Batch):  # windows are all as long as settings allow
        by_length = sorted(keys, key=lambda indices: int(train.source.lengths_of(indices).max()))
        first = make_batch(by_length[int(LONG * len(keys))])
    return first.to(training.device)

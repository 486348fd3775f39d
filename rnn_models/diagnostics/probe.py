"""The first steps of a training, taken to see how its gradients fare, whatever becomes of it."""

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
from rnn_models.training.history import Step
from rnn_models.training.loop import Training
from rnn_models.training.progress import Progress

log = logging.getLogger(__name__)
# share of the batches that are no longer than the one in which gradients are followed through time
LONG = 0.9
Decay = dict[str, list[float]]


@dataclass(frozen=True)
class Probe:
    """What the first steps of a training were like.

    ``decay_before`` and ``decay_after`` are what ``health.gradient_decay``
    found of the same batch before the first step and after the last.
    ``fault`` says why the training stopped early, if it did: its last step is
    then one that is not among ``steps``.
    """

    steps: list[Step] = field(default_factory=list)
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
    """Make the first steps of a training: the very ones that ``fit`` would make, without its validation.

    A training that explodes is no error here, it is what was looked for.

    Args:
        problem: What is learnt.
        train: Examples to learn from, at least one.
        sizes: Of the vocabularies.
        settings: Of model and training; its schedule is that of the whole training.
        num_steps: Optimiser updates, at most; a training that has fewer ends with its last.
        vectors: To start the source embedding from.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        training = Training(problem, sizes, settings, vectors)
        batch = long_batch(training, train)
        fault = ""
        progress = Progress(1, 1, num_steps)
        before = gradient_decay(problem, training.model, batch)
        try:
            for step in first_steps(training, train, num_steps):
                progress.show(
                    loss=step.loss,
                    gradient_norm=step.gradient_norm,
                    is_clipped=step.is_clipped,
                    tokens_per_second=step.tokens_per_second,
                )
        except FloatingPointError as error:
            fault = str(error)
            log.warning("%s", fault)
        return Probe(
            training.history.steps, before, gradient_decay(problem, training.model, batch), fault
        )


def first_steps(training: Training, train: Examples, num_steps: int) -> Iterator[Step]:
    """Make and give the first steps of a training, epoch after epoch."""
    s = training.settings
    for epoch in range(1, s.max_epochs + 1):
        order, make = training.plan(train, epoch)
        starts = range(0, len(order), s.accumulate)
        all_steps = int(min(len(starts) * s.max_epochs, s.max_steps or math.inf))
        training.carried = ()
        training.model.train()
        for start in starts:
            if len(training.history.steps) >= min(num_steps, all_steps):
                return
            batches = [make(name) for name in order[start : start + s.accumulate]]
            step = training.train_step(batches, epoch=epoch, num_steps=all_steps)
            training.history.steps.append(step)
            yield step


def long_batch(training: Training, train: Examples) -> Batch | Window:
    """A batch of long sequences, where a gradient has far to go; not of the longest, which may be like no other."""
    order, make = training.plan(train, 1)
    first = make(order[0])
    if isinstance(first, Batch):  # windows are all as long as they may be
        by_length = sorted(order, key=lambda indices: int(train.source.lengths_of(indices).max()))
        first = make(by_length[int(LONG * len(order))])
    return first.to(training.device)

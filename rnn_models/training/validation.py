"""Validation after an epoch: the loss, and the score of the problem's first metric."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import Examples, sorted_batches
from rnn_models.batching.windows import State
from rnn_models.decoding.predict import predict_all
from rnn_models.devices import device_of
from rnn_models.evaluation.metrics import find_metric
from rnn_models.output_kind import Headline
from rnn_models.parallel_batches import map_in_threads
from rnn_models.problem import Problem, Sizes, Windows
from rnn_models.settings import TrainSettings

# Rows that are scored after an epoch: fewer where each is a text that is decoded token by token.
MAX_ROWS = 10_000
MAX_DECODED_ROWS = 1_000


def headline_of(problem: Problem) -> Headline:
    """Describe the score of an epoch: the problem's first metric, as far as ids alone give it.

    Of texts only ids are known here, so BLEU is one of pieces; bits are bits
    per token, which is the loss in another unit.
    """
    metric = find_metric(problem.metrics[0])
    return problem.output.headline or Headline(metric.name, metric.title)


def is_chosen_by_score(problem: Problem, settings: TrainSettings) -> bool:
    """Whether the score decides which epoch is the best; if it is a cost, the loss does."""
    return settings.stop_on == "metric" and not find_metric(problem.metrics[0]).is_cost


def how_chosen(problem: Problem, settings: TrainSettings, num: int) -> str:
    """Describe in a sentence how the best epoch is chosen.

    Args:
        problem: What is learnt.
        settings: Of the training.
        num: Rows of the validation split.
    """
    if not is_chosen_by_score(problem, settings):
        return f"the best epoch has the lowest loss on {num:,} validation rows"
    rows = len(scored_rows(problem, num))
    way = ", decoded greedily" if problem.output.is_decoded else ""
    some = f"{rows:,} of {num:,}" if rows < num else f"{num:,}"
    title = headline_of(problem).title
    return f"the best epoch has the highest {title} on {some} validation rows{way}"


def mean_loss(
    problem: Problem, model: torch.nn.Module, examples: Examples, settings: TrainSettings
) -> float:
    """Compute the loss in nats per unit over all examples, without dropout.

    A model that is trained in windows is validated in windows, their state carried.
    """
    model.eval()
    device = device_of(model)
    if problem.windows and settings.bptt_window:
        return mean_loss_in_windows(problem.windows, model, examples, settings)

    def loss(indices: NDArray[np.int64]) -> tuple[float, int]:
        found = problem.loss(model, examples.batch(indices).to(device))
        return float(found.nats), found.units

    costs = map_in_threads(
        loss, sorted_batches(examples, size=256, tokens=settings.batch_tokens), device
    )
    # Divided once, at the end: a mean of means would depend on how rows fall into batches.
    return sum(nats for nats, _ in costs) / sum(num for _, num in costs)


@torch.inference_mode()
def mean_loss_in_windows(
    windows: Windows, model: torch.nn.Module, examples: Examples, settings: TrainSettings
) -> float:
    """Compute the same in windows, each of which needs the state of the one before."""
    device = device_of(model)
    nats = 0.0
    units = 0
    state: State = ()
    for window in windows.cut(examples, settings, 0):
        found, state = windows.loss(model, window.to(device), state)
        nats += float(found.nats)
        units += found.units
    return nats / units


def headline_score(
    problem: Problem, model: torch.nn.Module, examples: Examples, sizes: Sizes, *, loss: float
) -> float:
    """Compute the score of ``headline_of`` on all examples, or on ``scored_rows`` of many.

    Texts are decoded greedily: a beam takes many times as long and orders
    epochs alike.

    Args:
        problem: What is learnt.
        model: What answers.
        examples: The validation split.
        sizes: Of the vocabularies.
        loss: Of the model on the same examples, in nats per unit.
    """
    kind = problem.output
    # The loss in another unit: a second pass over the rows would find nothing new.
    if kind.score_of_loss:
        return kind.score_of_loss(loss)
    rows = scored_rows(problem, len(examples))
    chosen = examples if len(rows) == len(examples) else examples.select(rows)
    with single_outputs(model):
        outputs = predict_all(problem, model, chosen)
    predictions = [kind.from_ids(kind.ids(output), sizes.labels) for output in outputs]
    references = [kind.from_ids(chosen.target.row(i), sizes.labels) for i in range(len(chosen))]
    metric = find_metric(problem.metrics[0])
    return metric.total(metric.statistics(predictions, references))


def scored_rows(problem: Problem, num: int) -> NDArray[np.int64]:
    """Choose the validation rows to score after each epoch: always the same, spread evenly."""
    most = MAX_DECODED_ROWS if problem.output.is_decoded else MAX_ROWS
    return np.linspace(0, num - 1, min(num, most)).round().astype(np.int64)


@contextmanager
def single_outputs(model: Any) -> Iterator[None]:
    """Make a model give one output for each example, the fastest way, for a while."""
    own = getattr(model, "settings", None)
    if own is None:  # a classifier has no other way
        yield
        return
    model.settings = own.with_changes({"beam_width": 1, "num_best": 1, "confidences": False})
    try:
        yield
    finally:
        model.settings = own

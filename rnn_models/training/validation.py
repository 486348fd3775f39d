"""How good a model is between two epochs: its loss, and the score that its problem is judged by."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import Examples, sorted_batches
from rnn_models.batching.windows import State
from rnn_models.decoding.predict import predict_all
from rnn_models.devices import device_of
from rnn_models.evaluation.metrics import find_metric
from rnn_models.parallel_batches import in_order
from rnn_models.problem import Problem, Sizes, Windows
from rnn_models.settings import TrainSettings

MOST_ANSWERS, MOST_TEXTS = (
    10_000,
    1_000,
)  # rows that are scored after an epoch: a text is decoded token by token


@dataclass(frozen=True)
class Headline:
    """The score of an epoch: its name in MLflow, its title on a page, and the digits behind the point that are shown."""

    name: str
    title: str
    digits: int = 2

    def shown(self, value: float) -> str:
        """Title and value, as in ``entity F1 85.30``."""
        return f"{self.title} {value:.{self.digits}f}"


def headline_of(problem: Problem) -> Headline:
    """What the score of an epoch is: the problem's first metric, as far as it can be computed without words.

    Of texts only ids are known here, so BLEU is one of pieces; bits are bits
    per token, which is the loss in another unit.
    """
    if problem.token_nats:
        return Headline("bits_per_token", "bits per token", 3)
    metric = find_metric(problem.metrics[0])
    return (
        Headline("bleu_of_pieces", "BLEU of pieces")
        if says_text(problem)
        else Headline(metric.name, metric.title)
    )


def is_chosen_by_score(problem: Problem, settings: TrainSettings) -> bool:
    """Whether the score decides which epoch is the best; where the score is the loss in another unit, the loss does."""
    return settings.stop_on == "metric" and not problem.token_nats


def how_chosen(problem: Problem, settings: TrainSettings, num: int) -> str:
    """Say in a sentence what the best of some epochs is chosen by.

    Args:
        problem: What is learnt.
        settings: Of the training.
        num: Rows of the validation split.
    """
    if not is_chosen_by_score(problem, settings):
        return f"the best epoch has the lowest loss on {num:,} validation rows"
    rows, way = len(scored_rows(problem, num)), ", decoded greedily" if says_text(problem) else ""
    some = f"{rows:,} of {num:,}" if rows < num else f"{num:,}"
    return f"the best epoch has the highest {headline_of(problem).title} on {some} validation rows{way}"


def says_text(problem: Problem) -> bool:
    """Whether an answer is a text, which is decoded token by token."""
    return problem.rows[1] == "target"


def mean_loss(
    problem: Problem, model: torch.nn.Module, examples: Examples, settings: TrainSettings
) -> float:
    """Loss in nats per unit over all examples, without dropout.

    What is trained in windows is validated in windows, their state carried.
    """
    model.eval()
    device = device_of(model)
    if problem.windows and settings.bptt_window:
        return mean_loss_in_windows(problem.windows, model, examples, settings)

    def loss(indices: NDArray[np.int64]) -> tuple[float, int]:
        found = problem.loss(model, examples.batch(indices).to(device))
        return float(found.nats), found.units

    costs = in_order(loss, sorted_batches(examples, size=256, tokens=settings.batch_tokens), device)
    return sum(nats for nats, _ in costs) / sum(num for _, num in costs)


@torch.inference_mode()
def mean_loss_in_windows(
    windows: Windows, model: torch.nn.Module, examples: Examples, settings: TrainSettings
) -> float:
    """The same in windows, each of which needs the state of the one before."""
    device, nats, units = device_of(model), 0.0, 0
    state: State = ()
    for window in windows.cut(examples, settings, 0):
        found, state = windows.loss(model, window.to(device), state)
        nats, units = nats + float(found.nats), units + found.units
    return nats / units


def headline_score(
    problem: Problem, model: torch.nn.Module, examples: Examples, sizes: Sizes, *, loss: float
) -> float:
    """The score of ``headline_of``, of all examples or of ``scored_rows`` where they are many.

    Texts are decoded greedily: a beam costs many times as much and orders
    epochs alike.

    Args:
        problem: What is learnt.
        model: What answers.
        examples: The validation split.
        sizes: Of the vocabularies.
        loss: Of the model on the same examples, in nats per unit.
    """
    if problem.token_nats:
        return loss / math.log(2)
    metric, rows = find_metric(problem.metrics[0]), scored_rows(problem, len(examples))
    chosen = examples if len(rows) == len(examples) else examples.select(rows)
    with plain_answers(model):
        outputs = predict_all(problem, model, chosen)
    predictions = [told(output.ids, problem, sizes) for output in outputs]
    references = [told(chosen.target.row(i), problem, sizes) for i in range(len(chosen))]
    return float(metric.score(metric.statistics(predictions, references).sum(0, keepdims=True))[0])


def scored_rows(problem: Problem, num: int) -> NDArray[np.int64]:
    """Choose the validation rows that are scored after each epoch: always the same, spread evenly over the split."""
    most = MOST_TEXTS if says_text(problem) else MOST_ANSWERS
    return np.linspace(0, num - 1, min(num, most)).round().astype(np.int64)


@contextmanager
def plain_answers(model: Any) -> Iterator[None]:
    """Let a model give one answer for each example, the cheapest way, for a while."""
    own = getattr(model, "settings", None)
    if own is None:  # a classifier has no other way to answer
        yield
        return
    model.settings = own.with_changes({"beam_width": 1, "num_best": 1, "confidences": False})
    try:
        yield
    finally:
        model.settings = own


def told(ids: list[int], problem: Problem, sizes: Sizes) -> Any:
    """A label, tags or a text as a metric takes it; -1 is a label that training never saw."""
    if not sizes.labels:
        return " ".join(map(str, ids))
    names = [sizes.labels[i] if i >= 0 else "" for i in ids]
    return names[0] if problem.unit == "example" else names

"""How good a model is between two epochs: its loss, or the score that its problem is judged by."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batch import Examples, sorted_batches
from rnn_models.devices import device_of
from rnn_models.metrics import find_metric
from rnn_models.prediction import predict_all
from rnn_models.problem import Problem, Sizes, Windows
from rnn_models.recurrent import State
from rnn_models.settings import TrainSettings
from rnn_models.workers import in_order


def mean_loss(problem: Problem, model: torch.nn.Module, examples: Examples, settings: TrainSettings) -> float:
    """Loss in nats per unit over all examples, without dropout.

    What is trained in windows is validated in windows, their state carried.
    """
    model.eval()
    device = device_of(model)
    if problem.windows and settings.bptt_window:
        return mean_loss_in_windows(problem.windows, model, examples, settings)

    def loss(indices: NDArray[np.int64]) -> tuple[float, int]:
        total, num = problem.loss(model, examples.batch(indices).to(device))
        return float(total), num

    costs = in_order(loss, sorted_batches(examples, size=256, tokens=settings.batch_tokens), device)
    return sum(nats for nats, _ in costs) / sum(num for _, num in costs)


@torch.inference_mode()
def mean_loss_in_windows(windows: Windows, model: torch.nn.Module, examples: Examples, settings: TrainSettings) -> float:
    """The same in windows, each of which needs the state of the one before."""
    device, nats, units = device_of(model), 0.0, 0
    state: State = ()
    for window in windows.cut(examples, settings, 0):
        total, num, state = windows.loss(model, window.to(device), state)
        nats, units = nats + float(total), units + num
    return nats / units


def headline_score(problem: Problem, model: torch.nn.Module, examples: Examples, sizes: Sizes) -> float:
    """The problem's first metric over all examples, higher is better: a cost is taken negative.

    A text stands for itself by its ids, as words are unknown here; so a BLEU
    is one over pieces, and compares epochs but nothing else.
    """
    metric = find_metric(problem.metrics[0])
    if problem.token_nats:
        nats = problem.token_nats(model, examples)
        statistics = metric.statistics(nats, [" " * (len(costs) - 1) for costs in nats])
        return metric.gain(float(metric.score(statistics.sum(0, keepdims=True))[0]), 0.0)
    said = [told(output.ids, problem, sizes) for output in predict_all(problem, model, examples)]
    true = [told(examples.target.row(i), problem, sizes) for i in range(len(examples))]
    return float(metric.score(metric.statistics(said, true).sum(0, keepdims=True))[0])


def told(ids: list[int], problem: Problem, sizes: Sizes) -> Any:
    """A label, tags or a text as a metric takes it; -1 is a label that training never saw."""
    if not sizes.labels:
        return " ".join(map(str, ids))
    names = [sizes.labels[i] if i >= 0 else "" for i in ids]
    return names[0] if problem.unit == "example" else names

"""Predict many examples with a trained model."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import Batch, Examples, sorted_batches
from rnn_models.devices import device_of
from rnn_models.output_kind import Predictions
from rnn_models.parallel_batches import map_in_threads
from rnn_models.problem import Problem

Result = TypeVar("Result")


def predict_all(
    problem: Problem,
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Any]:
    """Give the problem's outputs for all examples, in their order."""
    return map_batches(partial(problem.predict, model), model, examples, size=size, tokens=tokens)


def decoded_predictions(
    problem: Problem,
    model: torch.nn.Module,
    examples: Examples,
    decode: Callable[[list[Any]], list[Any]],
) -> Predictions:
    """Predict and decode all examples; the table of outputs shows predictions and scores."""
    outputs = predict_all(problem, model, examples)
    predictions = decode(outputs)
    return predictions, {"output": predictions, "score": [output.score for output in outputs]}


def map_batches(
    compute: Callable[[Batch], Iterable[Result]],
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Result]:
    """Compute one result per example, in their order; a CPU computes several batches at a time.

    Args:
        compute: Gives a result for each example of a batch on the model's device. Changes nothing.
        model: Put into evaluation mode; its device is where the batches go.
        examples: N of them.
        size: Examples of a batch, at most.
        tokens: Tokens of a batch with their padding, at most.

    Returns:
        The predictions, in the order of the examples.
    """
    model.eval()
    device = device_of(model)
    batches = sorted_batches(examples, size=size, tokens=tokens)

    def work(indices: NDArray[np.int64]) -> list[tuple[int, Result]]:
        return list(zip(indices.tolist(), compute(examples.batch(indices).to(device)), strict=True))

    # Batches are sorted by length; the dictionary restores the order of the examples.
    found = dict(pair for pairs in map_in_threads(work, batches, device) for pair in pairs)
    return [found[i] for i in range(len(examples))]

"""Outputs of a trained model for many examples."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import Batch, Examples, sorted_batches
from rnn_models.devices import device_of
from rnn_models.parallel_batches import in_order
from rnn_models.problem import Output, Problem

Prediction = TypeVar("Prediction")


def predict_all(
    problem: Problem,
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Output]:
    """Predict the outputs of all examples, in their order."""
    return predict_in_batches(
        partial(problem.predict, model), model, examples, size=size, tokens=tokens
    )


def predict_in_batches(
    answer: Callable[[Batch], Iterable[Prediction]],
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Prediction]:
    """Apply a function to all examples in batches; a CPU computes several batches at a time.

    Args:
        answer: Returns one prediction for each example of a batch. It runs in
            several threads and must change nothing.
        model: The model, which is put into evaluation mode.
        examples: N examples.
        size: Examples of a batch, at most.
        tokens: Tokens of a batch with their padding, at most.

    Returns:
        The predictions, in the order of the examples.
    """
    model.eval()
    device = device_of(model)
    batches = sorted_batches(examples, size=size, tokens=tokens)

    def work(indices: NDArray[np.int64]) -> list[tuple[int, Prediction]]:
        return list(zip(indices.tolist(), answer(examples.batch(indices).to(device)), strict=True))

    # Batches are sorted by length; the dictionary restores the order of the examples.
    found = dict(pair for pairs in in_order(work, batches, device) for pair in pairs)
    return [found[i] for i in range(len(examples))]

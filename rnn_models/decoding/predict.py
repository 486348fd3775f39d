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

Said = TypeVar("Said")


def predict_all(
    problem: Problem,
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Output]:
    """Outputs of all examples, in their order."""
    return say_in_batches(
        partial(problem.predict, model), model, examples, size=size, tokens=tokens
    )


def say_in_batches(
    say: Callable[[Batch], Iterable[Said]],
    model: torch.nn.Module,
    examples: Examples,
    *,
    size: int = 64,
    tokens: int = 8192,
) -> list[Said]:
    """What is said of all examples, in their order; on a CPU of several batches at a time.

    Args:
        say: What a batch, on the model's device, gives for each of its examples. Changes nothing.
        model: What says it.
        examples: N of them.
        size: Examples of a batch, at most.
        tokens: Tokens of a batch with their padding, at most.
    """
    model.eval()
    device = device_of(model)
    batches = sorted_batches(examples, size=size, tokens=tokens)

    def work(indices: NDArray[np.int64]) -> list[tuple[int, Said]]:
        return list(zip(indices.tolist(), say(examples.batch(indices).to(device)), strict=True))

    found = dict(pair for pairs in in_order(work, batches, device) for pair in pairs)
    return [found[i] for i in range(len(examples))]

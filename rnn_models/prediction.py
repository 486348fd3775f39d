"""Outputs of a trained model for many examples."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import torch

from rnn_models.batch import Batch, Examples, sorted_batches
from rnn_models.devices import device_of
from rnn_models.problem import Output, Problem

Said = TypeVar("Said")


def predict_all(
    problem: Problem, model: torch.nn.Module, examples: Examples, *, size: int = 64, tokens: int = 8192
) -> list[Output]:
    """Outputs of all examples, in their order."""
    return say_in_batches(partial(problem.predict, model), model, examples, size=size, tokens=tokens)


def say_in_batches(
    say: Callable[[Batch], Iterable[Said]], model: torch.nn.Module, examples: Examples, *, size: int = 64, tokens: int = 8192
) -> list[Said]:
    """What is said of all examples, in their order.

    Args:
        say: What a batch, on the model's device, gives for each of its examples.
        model: What says it.
        examples: N of them.
        size: Examples of a batch, at most.
        tokens: Tokens of a batch with their padding, at most.
    """
    model.eval()
    device, found = device_of(model), dict[int, Said]()
    with torch.inference_mode():
        for indices in sorted_batches(examples, size=size, tokens=tokens):
            found.update(zip(indices.tolist(), say(examples.batch(indices).to(device)), strict=True))
    return [found[i] for i in range(len(examples))]

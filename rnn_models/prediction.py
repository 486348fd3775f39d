"""Outputs of a trained model for many examples."""

import torch

from rnn_models.batch import Examples, sorted_batches
from rnn_models.devices import device_of
from rnn_models.problem import Output, Problem


def predict_all(
    problem: Problem, model: torch.nn.Module, examples: Examples, *, size: int = 64, tokens: int = 8192
) -> list[Output]:
    """Outputs of all examples, in their order."""
    model.eval()
    device, outputs = device_of(model), dict[int, Output]()
    with torch.inference_mode():
        for indices in sorted_batches(examples, size=size, tokens=tokens):
            found = problem.predict(model, examples.batch(indices).to(device))
            outputs.update(zip(indices.tolist(), found, strict=True))
    return [outputs[i] for i in range(len(examples))]

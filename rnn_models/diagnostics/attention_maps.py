"""The attention of a decoder over single texts, for a person to look at.

T source steps, U target steps.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batching.batch import Examples, Ragged, shifted
from rnn_models.devices import device_of
from rnn_models.problem import Problem


class AttentionMap(NamedTuple):
    """The ids of a source and of its predicted target, and the attention (U, T) between them."""

    source: list[int]
    target: list[int]
    probabilities: NDArray[np.float32]


@torch.inference_mode()
def attention_maps(
    problem: Problem, model: Any, examples: Examples, rows: NDArray[np.int64]
) -> list[AttentionMap]:
    """Predict some rows with a decoder that attends, and read each prediction once more."""
    model.eval()
    batch = examples.batch(rows).to(device_of(model))
    outputs = problem.predict(model, batch)
    predicted = Ragged.of([output.ids for output in outputs])
    ids, lengths = (t.to(device_of(model)) for t in predicted.take(np.arange(len(rows))))
    read, _ = shifted(ids, lengths)
    memory, state = model.encode(batch.source, batch.source_lengths)
    _, probabilities, _ = model.decode(read, memory, state)  # (B, U + 1, T), with the end
    found = []
    for row, output in enumerate(outputs):
        num = int(batch.source_lengths[row])
        found.append(
            AttentionMap(
                batch.source[row, :num].tolist(),
                list(output.ids),
                probabilities[row, : len(output.ids), :num].float().cpu().numpy(),
            )
        )
    return found

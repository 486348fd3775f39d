"""Probabilities of all labels, where ``predict`` gives the likeliest label alone.

N examples, K labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import Batch, Examples
from rnn_models.decoding.predict import map_batches


def label_probabilities(model: Any, examples: Examples) -> NDArray[np.float32]:
    """Compute the probabilities of all labels of each example, (N, K).

    Batches are those of ``predict_all``, so both agree in every bit.

    Args:
        model: A function of source ids (B, T) and lengths (B,) to logits (B, K).
        examples: N examples.
    """

    def compute(batch: Batch) -> NDArray[np.float32]:
        # (B, K)
        table: NDArray[np.float32] = (
            model(batch.source, batch.source_lengths).softmax(1).float().cpu().numpy()
        )
        return table

    return np.array(map_batches(compute, model, examples))

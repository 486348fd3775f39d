"""Probabilities of all labels, where ``predict`` returns the best label alone.

N examples, K labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import Batch, Examples
from rnn_models.decoding.predict import predict_in_batches


def label_probabilities(model: Any, examples: Examples) -> NDArray[np.float32]:
    """Compute the probabilities of all labels of each example, (N, K).

    The batches are those of ``predict_all``: other batches would differ in the last bits.

    Args:
        model: A function of source ids (B, T) and lengths (B,) to logits (B, K).
        examples: N examples.
    """

    def answer(batch: Batch) -> NDArray[np.float32]:
        table: NDArray[np.float32] = (
            model(batch.source, batch.source_lengths).softmax(1).float().cpu().numpy()
        )  # (B, K)
        return table

    return np.array(predict_in_batches(answer, model, examples))

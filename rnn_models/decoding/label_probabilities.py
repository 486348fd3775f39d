"""How likely each label is: all of a classifier's answer, where ``predict`` gives the best label alone.

N examples, K labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import Batch, Examples
from rnn_models.decoding.predict import say_in_batches


def label_probabilities(model: Any, examples: Examples) -> NDArray[np.float32]:
    """Probabilities of all labels of each example, (N, K), in the batches of ``predict_all``.

    Args:
        model: Takes source ids (B, T) and lengths (B,), gives logits (B, K).
        examples: N of them.
    """

    def say(batch: Batch) -> NDArray[np.float32]:
        table: NDArray[np.float32] = (
            model(batch.source, batch.source_lengths).softmax(1).float().cpu().numpy()
        )  # (B, K)
        return table

    return np.array(say_in_batches(say, model, examples))

"""How likely each label is: all of a classifier's answer, where ``predict`` gives the best label alone.

N examples, K labels.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_models.batch import Examples, sorted_batches
from rnn_models.devices import device_of


def label_probabilities(model: Any, examples: Examples, *, size: int = 64, tokens: int = 8192) -> NDArray[np.float32]:
    """Probabilities of all labels of each example, (N, K), in batches as ``predict_all`` makes them.

    Args:
        model: Takes source ids (B, T) and lengths (B,), gives logits (B, K).
        examples: N of them.
        size: Examples of a batch, at most.
        tokens: Source tokens of a batch with their padding, at most.
    """
    model.eval()
    device, found = device_of(model), dict[int, NDArray[np.float32]]()
    with torch.inference_mode():
        for indices in sorted_batches(examples, size=size, tokens=tokens):
            batch = examples.batch(indices).to(device)
            table = model(batch.source, batch.source_lengths).softmax(1).float().cpu().numpy()  # (B, K)
            found |= dict(zip(indices.tolist(), table, strict=True))
    return np.array([found[i] for i in range(len(examples))])

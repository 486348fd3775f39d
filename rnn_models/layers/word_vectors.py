"""Pretrained word vectors as the start of a source embedding.

V ids, E embedding.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rnn_models.layers.embedding import Embedding
from rnn_models.problem import Sizes
from rnn_models.settings import TrainSettings

# (V, E), and (V,) True where a source id has one
Vectors = tuple[NDArray[np.float32], NDArray[np.bool_]]


def source_embedding(model: nn.Module, sizes: Sizes) -> Embedding:
    """Find the embedding of source ids: the first of a model with as many ids.

    Raises:
        ValueError: If the model has none.
    """
    tables = [module for module in model.modules() if isinstance(module, Embedding)]
    found = [module for module in tables if module.num_ids == sizes.source]
    if not found:
        raise ValueError(
            f"the model has no embedding of {sizes.source} source ids to start from word vectors"
        )
    return found[0]


def start_from_vectors(
    model: nn.Module, vectors: Vectors, sizes: Sizes, settings: TrainSettings
) -> None:
    """Put word vectors into a model; with ``tune_vectors`` training changes them."""
    table, is_known = map(torch.from_numpy, vectors)
    source_embedding(model, sizes).start_from(table, is_known, is_tuned=settings.tune_vectors)

"""A text to a few numbers: an encoder whose hidden states are pooled to one vector and projected.

B sequences, T time steps, E embedding, H width of the encoder, K outputs.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import length_mask
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.encoder import make_encoder
from rnn_models.problem import Sizes
from rnn_models.settings import TrainSettings


def pool(states: Tensor, last: Tensor, mask: Tensor, how: str) -> Tensor:
    """Make one vector of the hidden states of a text.

    Args:
        states: (B, T, H).
        last: (B, H), the encoder's summary of the text.
        mask: (B, T), True where a token is real.
        how: ``last``, ``mean``, ``max``, or ``mean_max``, both side by side.

    Returns:
        (B, H), or (B, 2 * H) for ``mean_max``.
    """
    if how == "last":
        return last
    real = mask[:, :, None]
    mean = (states * real).sum(1) / real.sum(1)
    if how == "mean":
        return mean
    # -inf and not 0: all real states of a unit may be negative.
    highest = states.masked_fill(~real, float("-inf")).amax(1)
    return highest if how == "max" else torch.cat([mean, highest], dim=1)


class AttentionPooling(nn.Module):
    """Average hidden states by weights that attention computes.

    Origin:
        Yang et al. (2016), equations 5 to 7.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool ``states`` (B, T, H) where ``mask`` (B, T) is True, to (B, H)."""
        energies = self.query(torch.tanh(self.key(states))).squeeze(2)  # (B, T)
        weights = energies.masked_fill(~mask, float("-inf")).softmax(1)
        # States at padding may be nan, which stays nan even times a weight of 0.
        pooled: Tensor = (weights[:, :, None] * states.masked_fill(~mask[:, :, None], 0.0)).sum(1)
        return pooled


class PooledEncoder(nn.Module):
    """Embedding, encoder, pooling and a projection to K outputs: logits of labels, or a number."""

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.embedding = Embedding(sizes.source, settings, sizes.fixed)
        self.encoder = make_encoder(settings.embedding_size, settings)
        self.pooling = settings.pooling
        self.attention = (
            AttentionPooling(self.encoder.output_size) if settings.pooling == "attention" else None
        )
        self.label_smoothing = settings.label_smoothing
        width = self.encoder.output_size * (2 if settings.pooling == "mean_max" else 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.project = nn.Linear(width, sizes.target)

    def forward(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Compute outputs (B, K) of ``source`` (B, T)."""
        states, last = self.encoder(self.embedding(source), lengths)
        mask = length_mask(lengths, source.shape[1])
        pooled = (
            self.attention(states, mask)
            if self.attention
            else pool(states, last, mask, self.pooling)
        )
        outputs: Tensor = self.project(self.dropout(pooled))
        return outputs

"""Sentiment: many to one. An encoder reads a text, pooling makes one label of it.

B sequences, T time steps, E embedding, H width of the encoder, K labels.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import Batch, length_mask
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.encoder import make_encoder
from rnn_models.layers.projected_cross_entropy import smoothed_nats
from rnn_models.problem import Loss, Output, Problem, Sizes
from rnn_models.settings import TrainSettings


def pool(states: Tensor, last: Tensor, mask: Tensor, how: str) -> Tensor:
    """Make one vector of the hidden states of a text.

    Args:
        states: (B, T, H).
        last: (B, H), what the encoder says of the whole.
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
    highest = states.masked_fill(~real, float("-inf")).amax(1)
    return highest if how == "max" else torch.cat([mean, highest], dim=1)


class AttentionPooling(nn.Module):
    """A mean of hidden states, each weighted by how much it says.

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
        # States at padding are of no meaning: nothing of them may enter, not even times 0.
        pooled: Tensor = (weights[:, :, None] * states.masked_fill(~mask[:, :, None], 0.0)).sum(1)
        return pooled


class Classifier(nn.Module):
    """Embedding, encoder, pooling and one projection to labels."""

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
        """Logits (B, K) of ``source`` (B, T)."""
        states, last = self.encoder(self.embedding(source), lengths)
        mask = length_mask(lengths, source.shape[1])
        pooled = (
            self.attention(states, mask)
            if self.attention
            else pool(states, last, mask, self.pooling)
        )
        logits: Tensor = self.project(self.dropout(pooled))
        return logits


def loss(model: Classifier, batch: Batch) -> Loss:
    """Cross entropy of the examples."""
    logits = model(batch.source, batch.source_lengths)
    smoothing = model.label_smoothing if model.training else 0.0
    nats, plain = smoothed_nats(logits, batch.target[:, 0], smoothing)
    return Loss(nats, len(batch), plain)


def predict(model: Classifier, batch: Batch) -> list[Output]:
    """The likeliest label of each example and its probability."""
    highest, label = model(batch.source, batch.source_lengths).softmax(1).max(1)
    return [Output([i], p) for i, p in zip(label.tolist(), highest.tolist(), strict=True)]


PROBLEM = Problem(
    name="sentiment",
    rows=("text", "label"),
    unit="example",
    metrics=("accuracy", "macro_f1"),
    baselines=("majority", "bag_of_words", "character_ngrams"),
    # A small text set: few units, much dropout, words hidden now and then, a mean of the last epochs. Chosen on the
    # validation split of rotten_tomatoes with two seeds, where a GRU's loss was lower than an LSTM's.
    defaults=TrainSettings(
        encoder="gru",
        embedding_size=200,
        hidden_size=100,
        dropout=0.5,
        token_dropout=0.25,
        label_smoothing=0.1,
        average_epochs=3,
        max_epochs=8,
        learning_rate=1e-3,
        batch_size=32,
    ),
    build=Classifier,
    loss=loss,
    predict=predict,
)

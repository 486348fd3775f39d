"""Sentiment: many to one. An encoder reads a text and predicts one label. B sequences."""

from rnn_models.batching.batch import Batch
from rnn_models.layers.pooled_encoder import PooledEncoder
from rnn_models.layers.projected_cross_entropy import smoothed_cross_entropy
from rnn_models.outputs.label import LABEL
from rnn_models.problem import Loss, Output, Problem
from rnn_models.settings import TrainSettings


def loss(model: PooledEncoder, batch: Batch) -> Loss:
    """Sum the cross entropy of the examples."""
    logits = model(batch.source, batch.source_lengths)
    smoothing = model.label_smoothing if model.training else 0.0
    nats, plain = smoothed_cross_entropy(logits, batch.target[:, 0], smoothing)
    return Loss(nats, len(batch), plain)


def predict(model: PooledEncoder, batch: Batch) -> list[Output]:
    """Predict the likeliest label of each example, with its probability."""
    highest, label = model(batch.source, batch.source_lengths).softmax(1).max(1)
    return [Output([i], p) for i, p in zip(label.tolist(), highest.tolist(), strict=True)]


PROBLEM = Problem(
    name="sentiment",
    rows=("text", "label"),
    unit="example",
    metrics=("accuracy", "macro_f1"),
    baselines=("majority", "bag_of_words", "character_ngrams"),
    # A small text set: few units, much dropout, words hidden now and then, a mean of the last
    # epochs. Chosen on the validation split of rotten_tomatoes with two seeds, where the loss of a
    # GRU was lower than that of an LSTM.
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
    build=PooledEncoder,
    loss=loss,
    predict=predict,
    output=LABEL,
)

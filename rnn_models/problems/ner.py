"""NER: many to many, aligned. A bidirectional RNN under a CRF gives each token its tag.

B sequences, T time steps, E embedding, H width of the encoder, K tags.
"""

import torch
from torch import Tensor, nn

from rnn_models.batch import Batch
from rnn_models.crf import CRF
from rnn_models.encoders import BiRecurrent, Embedding
from rnn_models.problem import Output, Problem, Sizes
from rnn_models.settings import TrainSettings


def bio_steps(tags: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Say which tags may follow which, and which may start: ``I-x`` only inside an ``x``.

    Returns:
        (K, K) and (K,), True where allowed.
    """
    opened_by = [{f"B-{tag[2:]}", tag} if tag.startswith("I-") else set(tags) for tag in tags]
    allowed = torch.tensor([[before in opened for opened in opened_by] for before in tags])
    return allowed, torch.tensor([not tag.startswith("I-") for tag in tags])


class Tagger(nn.Module):
    """Embedding, bidirectional encoder, projection to emissions, CRF."""

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.embedding = Embedding(sizes.source, settings)
        self.encoder = BiRecurrent(settings.embedding_size, settings)
        self.project = nn.Linear(self.encoder.output_size, sizes.target)
        self.crf = CRF(*bio_steps(sizes.labels))

    def forward(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Emissions (B, T, K) of ``source`` (B, T)."""
        states, _ = self.encoder(self.embedding(source), lengths)
        emissions: Tensor = self.project(self.encoder.dropout(states))
        return emissions


def loss(model: Tagger, batch: Batch) -> tuple[Tensor, int]:
    """Negative log likelihood of the tag sequences in nats, summed, and their tokens."""
    emissions = model(batch.source, batch.source_lengths)
    nats = model.crf(emissions, batch.target, batch.source_lengths).sum()
    return nats, int(batch.source_lengths.sum())


def predict(model: Tagger, batch: Batch) -> list[Output]:
    """The likeliest tag sequence of each example and its probability."""
    emissions = model(batch.source, batch.source_lengths)
    tags, score = model.crf.viterbi(emissions, batch.source_lengths)
    sure = (score - model.crf.log_partition(emissions, batch.source_lengths)).exp()
    rows = zip(tags.tolist(), batch.source_lengths.tolist(), sure.tolist(), strict=True)
    return [Output(row[:length], min(1.0, p)) for row, length, p in rows]


PROBLEM = Problem(
    name="ner",
    rows=("tokens", "tags"),
    unit="token",
    metrics=("span_f1", "token_accuracy"),
    baselines=("frequent_tag",),
    # Entities are rare among tokens: small batches and large steps find them in few epochs.
    defaults=TrainSettings(embedding_size=128, hidden_size=128, dropout=0.3, max_epochs=10, learning_rate=8e-3, batch_size=32),
    build=Tagger,
    loss=loss,
    predict=predict,
)

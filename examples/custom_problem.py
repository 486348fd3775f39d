"""Write a problem: predict a rating from one to five stars, where near misses count as less wrong.

The labels have an order, so the model answers four questions about a text: is it
worth more than one star, more than two, more than three, more than four? The loss
is the sum of the four binary cross entropies (Cheng et al., 2008). To retrain such
a problem on a schedule, put the module into rnn_models/problems; here the program
trains it directly.

B sequences, T time steps, K labels.
"""

import random

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import Batch, Examples, Ragged
from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.decoding.predict import predict_all
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.encoder import make_encoder
from rnn_models.outputs.label import LABEL
from rnn_models.problem import Loss, Output, Problem, Sizes
from rnn_models.settings import TrainSettings
from rnn_models.training.loop import fit

STARS = ("1", "2", "3", "4", "5")
GOOD_ID, PLAIN_IDS = 4, range(5, 15)  # ids 0 to 3 have a fixed meaning


class RatingModel(nn.Module):
    """Encode a text and answer K - 1 questions about its last hidden state."""

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.embedding = Embedding(sizes.source, settings, sizes.fixed)
        self.encoder = make_encoder(settings.embedding_size, settings)
        self.project = nn.Linear(self.encoder.output_size, sizes.target - 1)

    def forward(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Compute logits (B, K - 1) of ``source`` (B, T)."""
        _, last = self.encoder(self.embedding(source), lengths)
        logits: Tensor = self.project(last)
        return logits


def loss(model: RatingModel, batch: Batch) -> Loss:
    """Sum the binary cross entropies of all questions."""
    logits = model(batch.source, batch.source_lengths)
    is_more = torch.arange(logits.shape[1]) < batch.target  # (B, K - 1)
    nats = nn.functional.binary_cross_entropy_with_logits(logits, is_more.float(), reduction="sum")
    return Loss(nats, len(batch), nats.detach())


def predict(model: RatingModel, batch: Batch) -> list[Output]:
    """Count the questions answered with yes; the score is the least certain answer."""
    probabilities = model(batch.source, batch.source_lengths).sigmoid()  # (B, K - 1)
    ratings = (probabilities > 0.5).sum(1)
    certainty = torch.maximum(probabilities, 1 - probabilities).amin(1)
    pairs = zip(ratings.tolist(), certainty.tolist(), strict=True)
    return [Output([rating], score) for rating, score in pairs]


PROBLEM = Problem(
    name="rating",
    rows=("text", "label"),
    unit="example",
    metrics=("accuracy", "macro_f1"),
    baselines=("majority", "bag_of_words"),
    defaults=TrainSettings(
        embedding_size=16, hidden_size=32, max_epochs=12, batch_size=16, dropout=0.0
    ),
    build=RatingModel,
    loss=loss,
    predict=predict,
    output=LABEL,
)


def make_examples(num: int, chance: random.Random) -> Examples:
    """Make texts of plain words; each good word among them is worth a star more."""
    ratings = [chance.randrange(len(STARS)) for _ in range(num)]
    texts = [[GOOD_ID] * rating + chance.choices(PLAIN_IDS, k=6) for rating in ratings]
    for text in texts:
        chance.shuffle(text)
    return Examples(Ragged.of(texts), Ragged.of([[rating] for rating in ratings]))


def main() -> None:
    """Train the problem and print how far its ratings are from the references."""
    chance = random.Random(0)
    train, validation, test = (make_examples(num, chance) for num in (600, 100, 200))
    sizes = Sizes(source=max(PLAIN_IDS) + 1, target=len(STARS), labels=STARS)
    history = fit(PROBLEM, train, validation, sizes, PROBLEM.defaults)
    model = PROBLEM.build(sizes, PROBLEM.defaults)
    load_weights(model, history.weights)
    outputs = predict_all(PROBLEM, model, test)
    distances = [abs(o.ids[0] - test.target.row(i)[0]) for i, o in enumerate(outputs)]
    print(f"mean distance {sum(distances) / len(distances):.2f} stars on {len(test)} texts")


if __name__ == "__main__":
    main()

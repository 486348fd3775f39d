"""A one-to-many problem for these tests: a recurrent model that predicts the next id."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from rnn_models.batching.batch import Examples, Ragged, length_mask, shifted
from rnn_models.batching.lm_streams import stream_windows
from rnn_models.batching.windows import Window, carry_state
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.recurrent import Recurrent
from rnn_models.problem import Loss, Problem, Sizes, Windows, find_problem
from rnn_models.settings import TrainSettings

SIZES = Sizes(source=10, target=10)
SETTINGS = TrainSettings(
    embedding_size=6,
    hidden_size=8,
    bidirectional=False,
    dropout=0.0,
    max_epochs=2,
    batch_size=3,
    learning_rate=0.01,
    warmup_steps=2,
    bptt_window=4,
    seed=7,
)


class LanguageModel(nn.Module):
    """Embedding, recurrence and a projection; it remembers each state it was given."""

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.embedding = Embedding(sizes.target, settings)
        self.encoder = Recurrent(settings.embedding_size, settings)
        self.project = nn.Linear(settings.hidden_size, sizes.target)

    def forward(self, read, state):
        states, after = self.encoder.continue_from(self.embedding(read), state)
        return self.project(states), after


def target_loss(logits, targets, lengths):
    real = length_mask(lengths, targets.shape[1])
    nats = nn.functional.cross_entropy(logits[real], targets[real], reduction="sum")
    return Loss(nats, int(real.sum()), nats.detach())


def loss(model, batch):
    inputs, targets = shifted(batch.target, batch.target_lengths)
    return target_loss(model(inputs, ())[0], targets, batch.target_lengths + 1)


def window_loss(model, window: Window, state):
    logits, after = model(window.inputs, carry_state(state, window.is_start) if state else ())
    return target_loss(logits, window.targets, window.lengths), after


def cut(examples, settings, epoch):
    return stream_windows(
        examples.target,
        size=settings.batch_size,
        window=settings.bptt_window,
        seed=settings.seed,
        epoch=epoch,
    )


PROBLEM: Problem = replace(
    find_problem("generation"), name="tiny_language_model", build=LanguageModel, loss=loss,
    windows=Windows(cut=cut, loss=window_loss),
)  # fmt: skip


def texts(*lengths: int) -> Examples:
    random = np.random.default_rng(0)
    rows = Ragged.of([random.integers(4, 10, length).tolist() for length in lengths])
    return Examples(Ragged.of([[]] * len(lengths)), rows)


def make_model(**changes):
    torch.manual_seed(1)
    return LanguageModel(SIZES, SETTINGS.with_changes(changes))

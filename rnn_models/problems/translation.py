"""Translation: many to many. Encoder, attention and decoder; beam search at the end.

B sequences, T source steps, U target steps, E embedding, H hidden, V target ids,
N real target tokens of a batch.
"""

import torch
from torch import Tensor, nn

from rnn_models.attention import Attention
from rnn_models.batch import BOS_ID, EOS_ID, PAD_ID, Batch, length_mask
from rnn_models.encoders import BiRecurrent, Embedding, LockedDropout, recurrence
from rnn_models.problem import Output, Problem, Sizes
from rnn_models.search import State, beam_search
from rnn_models.settings import TrainSettings


def shifted(target: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Make what a decoder reads and what it should say of a padded target.

    Returns:
        ``<bos> y1 .. yU`` and ``y1 .. yU <eos>``, both (B, U + 1).
    """
    start = torch.full_like(target[:, :1], BOS_ID)
    read = torch.cat([start, target], dim=1)
    said = torch.cat([target, torch.full_like(start, PAD_ID)], dim=1)
    return read, said.scatter(1, lengths[:, None], EOS_ID)


class Translator(nn.Module):
    """A bidirectional encoder and a recurrent decoder that attends to it.

    The decoder starts from the encoder's last states. The projection to ids
    shares its weights with the target's embedding.

    Origin:
        Bahdanau, Cho and Bengio (2015), the architecture; Luong et al. (2015),
        the attention; Press and Wolf (2017), the shared weights.
    """

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.settings = settings
        hidden = settings.hidden_size
        self.source_embedding = Embedding(sizes.source, settings)
        self.target_embedding = self.source_embedding if sizes.is_shared else Embedding(sizes.target, settings)
        self.encoder = BiRecurrent(settings.embedding_size, settings)
        self.bridge = nn.Linear(self.encoder.output_size, hidden)
        self.decoder = recurrence(settings.cell, settings.embedding_size, hidden)
        self.attention = Attention(hidden, self.encoder.output_size, settings.embedding_size)
        self.dropout = LockedDropout(settings.dropout)
        self.bias = nn.Parameter(torch.zeros(sizes.target))

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, State]:
        """Keys (B, T, 2 * H), their mask (B, T), and the decoder's first state."""
        keys, last = self.encoder(self.source_embedding(source), lengths)
        first = torch.tanh(self.bridge(last))[None]  # (1, B, H)
        is_lstm = self.settings.cell == "lstm"
        state = (first, torch.zeros_like(first)) if is_lstm else (first,)
        return self.dropout(keys), length_mask(lengths, source.shape[1]), state

    def decode(self, read: Tensor, keys: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
        """Attentional states (B, U, E) after reading ``read`` (B, U), and the next state."""
        inputs = self.target_embedding(read)
        states, after = self.decoder(inputs, state if len(state) == 2 else state[0])
        attended, _ = self.attention(self.dropout(states), keys, mask)
        return self.dropout(attended), after if isinstance(after, tuple) else (after,)

    def project(self, attended: Tensor) -> Tensor:
        """Logits (..., V) of attentional states (..., E)."""
        return nn.functional.linear(attended, self.target_embedding.table.weight, self.bias)

    def forward(self, source: Tensor, lengths: Tensor, read: Tensor) -> Tensor:
        """Attentional states (B, U, E) under teacher forcing."""
        return self.decode(read, *self.encode(source, lengths))[0]


def loss(model: Translator, batch: Batch) -> tuple[Tensor, int]:
    """Cross entropy in nats, summed over the real target tokens, and their number."""
    read, said = shifted(batch.target, batch.target_lengths)
    attended = model(batch.source, batch.source_lengths, read)
    real = length_mask(batch.target_lengths + 1, said.shape[1])
    logits = model.project(attended[real])  # (N, V): padding is never projected
    smoothing = model.settings.label_smoothing if model.training else 0.0
    nats = nn.functional.cross_entropy(logits, said[real], reduction="sum", label_smoothing=smoothing)
    return nats, len(logits)


def predict(model: Translator, batch: Batch) -> list[Output]:
    """The best translation found by beam search; its score is the mean probability of a token."""
    keys, mask, state = model.encode(batch.source, batch.source_lengths)

    def step(previous: Tensor, carried: State) -> tuple[Tensor, State]:
        row_keys, row_mask, *hidden = carried
        states = tuple(h.transpose(0, 1).contiguous() for h in hidden)
        attended, after = model.decode(previous[:, None], row_keys, row_mask, states)
        logits = model.project(attended[:, 0]).index_fill(
            1, torch.tensor([PAD_ID, BOS_ID], device=previous.device), float("-inf")
        )
        return logits.log_softmax(1), (row_keys, row_mask, *(h.transpose(0, 1) for h in after))

    found = beam_search(
        step,
        (keys, mask, *(h.transpose(0, 1) for h in state)),
        width=model.settings.beam_width,
        max_lengths=2 * batch.source_lengths + 10,
        length_penalty=model.settings.length_penalty,
    )
    return [Output(h.ids, min(1.0, float(torch.tensor(h.score).exp()))) for h in found]


PROBLEM = Problem(
    name="translation",
    rows=("source", "target"),
    unit="token",
    metrics=("bleu", "chrf"),
    baselines=("nearest_pair",),
    defaults=TrainSettings(
        embedding_size=256,
        hidden_size=256,
        dropout=0.2,
        label_smoothing=0.1,
        max_epochs=10,
        learning_rate=3e-3,
        batch_size=128,
        clip_norm=1.0,
    ),
    build=Translator,
    loss=loss,
    predict=predict,
)

"""Translation: many to many. Encoder, attention and decoder; beam search at the end.

B sequences, T source steps, U target steps, E embedding, H hidden, O attentional state,
V target ids,
N real target tokens of a batch.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from rnn_models.batching.batch import BOS_ID, PAD_ID, UNK_ID, Batch, Ragged, length_mask, shifted
from rnn_models.batching.windows import State
from rnn_models.decoding.beam_search import beam_search
from rnn_models.decoding.decoder_step import decoder_step
from rnn_models.decoding.input_feeding import decode_with_feeding
from rnn_models.layers.attention import Attention, Memory
from rnn_models.layers.embedding import Embedding, LockedDropout
from rnn_models.layers.encoder import make_encoder
from rnn_models.layers.projected_cross_entropy import projected_cross_entropy
from rnn_models.layers.recurrent import recurrence
from rnn_models.layers.recurrent import run_recurrence as read_stretch
from rnn_models.outputs.text import TEXT
from rnn_models.problem import Loss, Output, Problem, Sizes
from rnn_models.settings import TrainSettings


def widths(settings: TrainSettings) -> tuple[int, int, int]:
    """Give the widths of an embedding, of the decoder's hidden state and of its attentional state.

    Raises:
        ValueError: If the projection shares weights with an embedding of another width.
    """
    width = settings.embedding_size
    size = settings.decoder_size
    if size not in (0, width) and settings.tied_embeddings != "none":
        raise ValueError(
            f"decoder_size must be 0 or embedding_size {width} where the projection shares the "
            f"embedding's weights, got {size}: "
            "or set tied_embeddings to none"
        )
    return width, size or settings.hidden_size, size or width


class Translator(nn.Module):
    """A bidirectional encoder and a recurrent decoder that attends to it.

    The decoder starts from the encoder's last states. The projection to ids
    shares its weights with the target's embedding, and this with the source's
    where there is one vocabulary, unless ``tied_embeddings`` says otherwise.

    Origin:
        Bahdanau, Cho and Bengio (2015), the architecture; Luong et al. (2015),
        the attention; Press and Wolf (2017), the shared weights.
    """

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        if settings.num_best > settings.beam_width:
            raise ValueError(
                f"num_best must be at most beam_width {settings.beam_width}, "
                f"got {settings.num_best}"
            )
        self.settings = settings
        width, hidden, self.attentional = widths(settings)
        is_one = sizes.is_shared and settings.tied_embeddings == "all"
        self.source_embedding = Embedding(sizes.source, settings, sizes.fixed)
        self.target_embedding = (
            self.source_embedding if is_one else Embedding(sizes.target, settings)
        )
        self.encoder = make_encoder(width, settings)
        self.bridge = nn.Linear(self.encoder.output_size, hidden)
        self.decoder = recurrence(
            settings.cell, width + (self.attentional if settings.input_feeding else 0), hidden
        )
        self.attention = Attention(
            hidden, self.encoder.output_size, self.attentional, settings.attention
        )
        self.dropout = LockedDropout(settings.dropout)
        # Apart from a projection, which may be the embedding's matrix and has no bias.
        self.bias = nn.Parameter(torch.zeros(sizes.target))
        if settings.tied_embeddings == "none":
            self.output = nn.Linear(self.attentional, sizes.target, bias=False)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """Give the memory of attention, and the first state: (B, H) each, (B, O) if fed back."""
        states, last = self.encoder(self.source_embedding(source), lengths)
        # Bahdanau, Cho and Bengio (2015), appendix A.2.2; tanh keeps it in the range of hidden
        # states.
        first = torch.tanh(self.bridge(last))  # (B, H)
        memory = self.attention.memory(self.dropout(states), length_mask(lengths, source.shape[1]))
        cell_state = [torch.zeros_like(first)] if self.settings.cell == "lstm" else []
        fed = [first.new_zeros(len(first), self.attentional)] if self.settings.input_feeding else []
        return memory, (first, *cell_state, *fed)

    def decode(self, read: Tensor, memory: Memory, state: State) -> tuple[Tensor, Tensor, State]:
        """Decode from input ids ``read`` (B, U).

        Returns:
            Attentional states (B, U, O), attention (B, U, T), and the next state.
        """
        inputs = self.target_embedding(read)
        if self.settings.input_feeding:
            return decode_with_feeding(
                self.decoder, self.attention, inputs, memory, state, self.dropout
            )
        states, after = read_stretch(self.decoder, inputs, state)
        attended, probabilities = self.attention(self.dropout(states), memory)
        return self.dropout(attended), probabilities, after

    @property
    def projection(self) -> tuple[Tensor, Tensor]:
        """Weight (V, O) and bias (V,) of the projection to ids."""
        is_tied = self.settings.tied_embeddings != "none"
        return self.target_embedding.table.weight if is_tied else self.output.weight, self.bias

    def project(self, attended: Tensor) -> Tensor:
        """Compute logits (..., V) of attentional states (..., O)."""
        return nn.functional.linear(attended, *self.projection)

    def forward(self, source: Tensor, lengths: Tensor, read: Tensor) -> Tensor:
        """Compute attentional states (B, U, O) under teacher forcing."""
        return self.decode(read, *self.encode(source, lengths))[0]


def loss(model: Translator, batch: Batch) -> Loss:
    """Sum the cross entropy of the real target tokens."""
    read, targets = shifted(batch.target, batch.target_lengths)
    attended = model(batch.source, batch.source_lengths, read)
    real = length_mask(batch.target_lengths + 1, targets.shape[1])
    smoothing = model.settings.label_smoothing if model.training else 0.0
    states = attended[real]  # (N, O): padding is never projected
    nats, plain = projected_cross_entropy(
        states, *model.projection, targets[real], smoothing=smoothing
    )
    return Loss(nats, len(states), plain)


def predict(model: Translator, batch: Batch) -> list[Output]:
    """Search the best translations with a beam; a score is the mean probability of a token."""
    s = model.settings
    memory, state = model.encode(batch.source, batch.source_lengths)
    step = decoder_step(
        model.target_embedding,
        model.decoder,
        model.attention,
        model.projection,
        width=s.beam_width,
        never_said=[PAD_ID, BOS_ID] + [UNK_ID] * (not s.copy_unknown),
    )
    found = beam_search(
        step,
        state,
        fixed=memory,
        width=s.beam_width,
        num_best=s.num_best,
        length_penalty=s.length_penalty,
        max_lengths=(s.max_length_ratio * batch.source_lengths + 10).long(),
    )
    copies = (
        copied_tokens(model, memory, state, [[h.ids for h in hypotheses] for hypotheses in found])
        if s.copy_unknown
        else {}
    )
    outputs = []
    for i, hypotheses in enumerate(found):
        # Rounding could lead to a probability above 1.
        first, *others = [
            Output(h.ids, min(1.0, math.exp(h.score)), copied=copies.get((i, n), []))
            for n, h in enumerate(hypotheses)
        ]
        outputs.append(replace(first, others=others))
    return outputs


def copied_tokens(
    model: Translator, memory: Memory, state: State, texts: list[list[list[int]]]
) -> dict[tuple[int, int], list[int]]:
    """Find the source token that each unknown word copies: the one that is attended to most.

    The few texts with such words are read once more, so that the search need
    not carry the attention along.

    Args:
        model: The translator.
        memory: What it attended to, B sequences.
        state: The first state of its decoder.
        texts: Translations of each sequence.

    Returns:
        By sequence and text, where a text has an unknown word: for each id the
        index of a source token, -1 for a known word.

    Origin:
        Luong et al. (2015), "Addressing the rare word problem", with attention
        in place of their alignments, as in Jean et al. (2015).
    """
    unknown = [
        (i, n) for i, row in enumerate(texts) for n, text in enumerate(row) if UNK_ID in text
    ]
    if not unknown:
        return {}
    column = Ragged.of([texts[i][n] for i, n in unknown])
    ids, lengths = (t.to(memory.keys.device) for t in column.take(np.arange(len(column))))
    rows = torch.tensor([i for i, _ in unknown], device=ids.device)
    read, _ = shifted(ids, lengths)
    _, probabilities, _ = model.decode(read, memory.rows(rows), tuple(part[rows] for part in state))
    indices = probabilities.argmax(2)[:, :-1].masked_fill(ids != UNK_ID, -1).tolist()
    return {
        key: row[:length]
        for key, row, length in zip(unknown, indices, lengths.tolist(), strict=True)
    }


PROBLEM = Problem(
    name="translation",
    rows=("source", "target"),
    unit="token",
    metrics=("bleu", "chrf"),
    baselines=("nearest_pair", "nearest_characters"),
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
    output=TEXT,
)

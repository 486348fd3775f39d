"""Generation: one to many. A recurrent model writes a text id by id, from a label or a beginning.

B sequences or streams, W steps of a window, E embedding, H hidden, V ids, N real tokens.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_models.batching.batch import (
    BOS_ID,
    EOS_ID,
    Batch,
    Examples,
    length_mask,
    shifted,
    sorted_batches,
)
from rnn_models.batching.lm_streams import stream_windows
from rnn_models.batching.windows import State, Window, bptt_windows, carry_state
from rnn_models.decoding.sampling import Sampling, run_prompts, sample
from rnn_models.devices import device_of
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.projected_cross_entropy import projected_cross_entropy
from rnn_models.layers.recurrent import Recurrent
from rnn_models.outputs.continuation import continuation_kind
from rnn_models.problem import Loss, Output, Problem, Sizes, Windows
from rnn_models.settings import TrainSettings

MAX_STEPS = 512  # steps of a text whose logits are in memory together while it is scored


def start_ids(source: Tensor, lengths: Tensor) -> Tensor:
    """Give the first id of each text: ``<bos>``, or -1 - k for label number k.

    Args:
        source: Labels, (B, 1); -1 is one that training never saw.
        lengths: (B,), 0 where a text has no label.

    Returns:
        (B,).
    """
    label = source[:, 0]
    return torch.where((lengths > 0) & (label >= 0), -1 - label, BOS_ID)


class LanguageModel(nn.Module):
    """Embedding, recurrent layers of one direction, projection to ids.

    A text that has a label begins with the sum of the embeddings of ``<bos>``
    and of the label. The model reads in one direction, whatever the settings.

    Origin:
        Mikolov et al. (2010), recurrent language models; Press and Wolf (2017),
        the weights that embedding and projection may share; Merity, Keskar and
        Socher (2018), what is dropped.
    """

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.embedding_size
        hidden = settings.hidden_size
        self.embedding = Embedding(sizes.target, settings)
        self.labels = nn.Embedding(max(1, sizes.source), width)
        nn.init.normal_(self.labels.weight, std=width**-0.5)
        self.encoder = Recurrent(width, replace(settings, bidirectional=False))
        self.is_tied = settings.tied_embeddings != "none"
        self.narrow = (
            nn.Linear(hidden, width) if self.is_tied and hidden != width else nn.Identity()
        )
        self.bias = nn.Parameter(torch.zeros(sizes.target))
        if not self.is_tied:
            self.output = nn.Linear(hidden, sizes.target, bias=False)

    def forward(self, read: Tensor, state: State) -> tuple[Tensor, State]:
        """Read from a state on, from none at a start.

        Args:
            read: (B, W), with a start of ``start_ids`` where a text begins.
            state: After the window before.

        Returns:
            Hidden states (B, W, H) to project, and the state after the window.
        """
        is_label = read < 0
        x = self.embedding(read.masked_fill(is_label, BOS_ID))
        if self.training and self.settings.label_dropout:
            is_label &= torch.rand(read.shape, device=read.device) >= self.settings.label_dropout
        rows, steps = is_label.nonzero(as_tuple=True)
        # Added to the embedding of <bos>, and only at starts, which most windows do not have.
        if len(rows):
            x = x.index_put(
                (rows, steps), self.labels(-1 - read[rows, steps]).to(x.dtype), accumulate=True
            )
        states, after = self.encoder.continue_from(x, state)
        return self.encoder.dropout(states), after

    @property
    def projection(self) -> tuple[Tensor, Tensor]:
        """Weight and bias (V,) of the projection to ids, behind ``narrow``."""
        return self.embedding.table.weight if self.is_tied else self.output.weight, self.bias

    def project(self, states: Tensor) -> Tensor:
        """Compute logits (..., V) of states (..., H)."""
        return nn.functional.linear(self.narrow(states), *self.projection)


def cost(model: LanguageModel, states: Tensor, targets: Tensor, lengths: Tensor) -> Loss:
    """Sum the cross entropy of the real tokens of ``targets`` (B, W)."""
    real = length_mask(lengths, targets.shape[1])
    smoothing = model.settings.label_smoothing if model.training else 0.0
    narrow = model.narrow(states[real])  # (N, H or E): padding is never projected
    nats, plain = projected_cross_entropy(
        narrow, *model.projection, targets[real], smoothing=smoothing
    )
    return Loss(nats, len(narrow), plain)


def whole_texts(batch: Batch) -> Window:
    """Make one window of the whole texts of a batch, each with its start and its end."""
    read, targets = shifted(batch.target, batch.target_lengths)
    read[:, 0] = start_ids(batch.source, batch.source_lengths)
    is_start = torch.ones(len(batch), dtype=torch.bool, device=read.device)
    return Window(read, targets, batch.target_lengths + 1, is_start, batch.indices)


def loss(model: LanguageModel, batch: Batch) -> Loss:
    """Compute the loss of whole texts."""
    whole = whole_texts(batch)
    states, _ = model(whole.inputs, ())
    return cost(model, states, whole.targets, whole.lengths)


def window_loss(model: LanguageModel, window: Window, state: State) -> tuple[Loss, State]:
    """Compute the loss of a window, and the state after it."""
    states, after = model(window.inputs, carry_state(state, window.is_start) if state else ())
    return cost(model, states, window.targets, window.lengths), after


def cut(examples: Examples, settings: TrainSettings, epoch: int) -> Sequence[Window]:
    """Cut the windows of an epoch: as many streams as a batch has examples."""
    streams = stream_windows(
        examples.target,
        size=settings.batch_size,
        window=settings.bptt_window,
        seed=settings.seed,
        epoch=epoch,
        is_joined=settings.joined_texts,
    )
    starts = start_ids(*examples.source.take(np.arange(len(examples)))).numpy().astype(np.int32)
    return replace(
        streams, inputs=np.where(streams.inputs == BOS_ID, starts[streams.owner], streams.inputs)
    )


def token_nats(model: LanguageModel, examples: Examples) -> list[NDArray[np.float32]]:
    """Compute the negative log-likelihood of each token of each text and of its end, in nats."""
    model.eval()
    found: dict[int, NDArray[np.float32]] = {}
    with torch.inference_mode():
        # One stream: lines of one text are scored in their order, with the state carried.
        if model.settings.joined_texts:
            stream = cut(examples, replace(model.settings, batch_size=1, bptt_window=MAX_STEPS), 0)
            ends = np.cumsum(examples.target.lengths + 1)[:-1]
            return np.split(window_nats(model, stream)[0], ends)
        for indices in sorted_batches(examples, size=64, tokens=1 << 16):
            whole = whole_texts(examples.batch(indices))
            nats = window_nats(model, list(bptt_windows(whole, MAX_STEPS)))
            lengths = whole.lengths.tolist()
            found |= {
                int(i): row[:length] for i, row, length in zip(indices, nats, lengths, strict=True)
            }
    return [found[i] for i in range(len(examples))]


def window_nats(model: LanguageModel, windows: Sequence[Window]) -> NDArray[np.float32]:
    """Compute the cross entropy of each step of windows that follow one another, (B, T)."""
    device = device_of(model)
    nats = list[NDArray[np.float32]]()
    state: State = ()
    for window in windows:
        states, state = model(window.inputs.to(device), state)
        logits = model.project(states)
        # (B, W)
        per_step = nn.functional.cross_entropy(
            logits.mT, window.targets.to(device), reduction="none"
        )
        nats.append(per_step.float().cpu().numpy())
    return np.concatenate(nats, axis=1)


def predict(model: LanguageModel, batch: Batch) -> list[Output]:
    """Continue the texts that ``target`` begins; a score is the mean probability of a token."""
    read = shifted(batch.target, batch.target_lengths)[0]
    # Within running text a line follows the end of another line; <bos> stands only at its
    # beginning.
    is_line = model.settings.joined_texts and not bool(batch.source_lengths.any())
    read[:, 0] = EOS_ID if is_line else start_ids(batch.source, batch.source_lengths)
    logits, state = run_prompts(model, read, batch.target_lengths + 1)

    def step(previous: Tensor, state: State) -> tuple[Tensor, State]:
        states, after = model(previous[:, None], state)
        return model.project(states[:, 0]), after

    samples = sample(step, logits, state, Sampling.of(model.settings), batch.indices)
    return [Output(drawn.ids, min(1.0, drawn.mean_probability)) for drawn in samples]


PROBLEM = Problem(
    name="generation",
    rows=("label", "text"),
    is_source_optional=True,
    unit="token",
    metrics=("bits_per_character", "perplexity"),
    baselines=("unigram", "bigram", "trigram", "fourgram", "fivegram"),
    # Of characters there are few: a narrow embedding, and no weights shared with the projection.
    defaults=TrainSettings(
        embedding_size=64,
        hidden_size=256,
        bidirectional=False,
        dropout=0.2,
        tied_embeddings="none",
        bptt_window=128,
        max_epochs=30,
        patience=3,
        learning_rate=4e-3,
        batch_size=32,
        clip_norm=1.0,
        weight_decay=0.01,
    ),
    build=LanguageModel,
    loss=loss,
    predict=predict,
    windows=Windows(cut=cut, loss=window_loss),
    output=continuation_kind(token_nats),
)

"""Embeddings and recurrent encoders, exact on padded batches.

B sequences, T time steps, E embedding, H hidden, D directions.
"""

import torch
from torch import Tensor, nn

from rnn_models.batch import PAD_ID, UNK_ID
from rnn_models.settings import TrainSettings

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def recurrence(kind: str, input_size: int, hidden_size: int) -> nn.RNNBase:
    """Make one recurrent layer of one direction.

    The recurrent weights start orthogonal, so that a gradient neither grows
    nor fades at first; an LSTM's forget gate starts open.

    Origin:
        Saxe et al. (2014), orthogonal start; Jozefowicz et al. (2015), forget
        bias of 1.
    """
    cell = CELLS[kind](input_size, hidden_size, batch_first=True)
    for gate in cell.weight_hh_l0.data.split(hidden_size):
        nn.init.orthogonal_(gate)
    nn.init.xavier_uniform_(cell.weight_ih_l0)
    nn.init.zeros_(cell.bias_ih_l0)
    nn.init.zeros_(cell.bias_hh_l0)
    if kind == "lstm":  # gates lie in the order input, forget, cell, output
        nn.init.ones_(cell.bias_ih_l0.data[hidden_size : 2 * hidden_size])
    layer: nn.RNNBase = cell
    return layer


def reversal(lengths: Tensor, num_steps: int) -> Tensor:
    """Say which step stands where when each sequence is read backwards.

    Padding stays where it is, on the right. Applying it twice changes nothing.

    Returns:
        Indices (B, T).
    """
    steps = torch.arange(num_steps, device=lengths.device).expand(len(lengths), -1)
    mirrored = lengths[:, None] - 1 - steps
    return torch.where(mirrored >= 0, mirrored, steps)


def gather_steps(x: Tensor, index: Tensor) -> Tensor:
    """Pick time steps: ``x`` (B, T, H) by ``index`` (B, U) to (B, U, H)."""
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a sequence.

    Origin:
        Gal and Ghahramani (2016), variational dropout.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of ``x`` (B, T, H) while training."""
        if not self.training or self.share == 0:
            return x
        kept = torch.empty(x.shape[0], 1, x.shape[2], device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share)).to(x.dtype)


class Embedding(nn.Module):
    """Ids to vectors, with dropout of units and, while training, of whole tokens."""

    def __init__(self, num_ids: int, settings: TrainSettings) -> None:
        super().__init__()
        self.table = nn.Embedding(num_ids, settings.embedding_size, padding_idx=PAD_ID)
        nn.init.normal_(self.table.weight, std=settings.embedding_size**-0.5)
        nn.init.zeros_(self.table.weight.data[PAD_ID])
        self.token_dropout = settings.token_dropout
        self.dropout = LockedDropout(settings.dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) to (B, T, E)."""
        if self.training and self.token_dropout:
            dropped = torch.rand(ids.shape, device=ids.device) < self.token_dropout
            ids = ids.masked_fill(dropped & (ids != PAD_ID), UNK_ID)
        vectors: Tensor = self.dropout(self.table(ids))
        return vectors


class BiRecurrent(nn.Module):
    """Layers of a forward and a backward recurrence, their outputs side by side.

    The backward direction reads each sequence from its own last real token, so
    padding never enters a hidden state that counts. Two plain calls on padded
    batches of near-equal lengths beat one call on packed sequences on a CPU.

    Origin:
        Schuster and Paliwal (1997), bidirectional recurrent networks.
    """

    def __init__(self, input_size: int, settings: TrainSettings) -> None:
        super().__init__()
        self.output_size = 2 * settings.hidden_size
        sizes = [input_size] + [self.output_size] * (settings.num_layers - 1)
        make = [recurrence(settings.encoder, n, settings.hidden_size) for n in sizes for _ in "fb"]
        self.forwards, self.backwards = nn.ModuleList(make[::2]), nn.ModuleList(make[1::2])
        self.dropout = LockedDropout(settings.dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Args:
            x: (B, T, E).
            lengths: (B,), at least 1 each.

        Returns:
            Hidden states (B, T, D * H), of no meaning at padding, and the last
            states of both directions of the top layer, (B, D * H).
        """
        backwards = reversal(lengths, x.shape[1])
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            inputs = x if layer == 0 else self.dropout(x)
            states = ahead(inputs)[0]  # (B, T, H)
            mirrored = back(gather_steps(inputs, backwards))[0]  # (B, T, H), backwards in time
            x = torch.cat([states, gather_steps(mirrored, backwards)], dim=2)  # (B, T, D * H)
        last = gather_steps(torch.cat([states, mirrored], dim=2), lengths[:, None] - 1)
        return x, last.squeeze(1)

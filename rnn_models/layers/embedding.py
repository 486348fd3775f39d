"""Embeddings, and dropout with one mask over time.

B sequences, T time steps, E embedding, H hidden, V ids.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import PAD_ID, UNK_ID
from rnn_models.settings import TrainSettings


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a sequence.

    A new mask at each step would disturb the hidden state as often as there are
    steps, and a long memory would drown in the noise.

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
        # (B, 1, H), scaled in training (inverted dropout), so that prediction needs no factor.
        kept = torch.empty(x.shape[0], 1, x.shape[2], device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share)).to(x.dtype)


class Embedding(nn.Module):
    """Embeds ids, with dropout of units and, in training, of whole tokens.

    The last ``num_fixed`` ids belong to words that training does not learn.
    Their vectors are constants in a separate table, zeros until word vectors
    are given.
    """

    def __init__(self, num_ids: int, settings: TrainSettings, num_fixed: int = 0) -> None:
        super().__init__()
        self.num_ids = num_ids
        width = settings.embedding_size
        # padding_idx: the row of padding gets no gradient, so it stays at zeros.
        self.table = nn.Embedding(num_ids - num_fixed, width, padding_idx=PAD_ID)
        # A separate parameter: in one table with the others, AdamW's decay would pull these vectors
        # to zero, and each update would pass over all of them.
        self.fixed = (
            nn.Parameter(torch.zeros(num_fixed, width), requires_grad=False) if num_fixed else None
        )
        # Vectors of about unit length, so that a tied projection starts with small logits.
        nn.init.normal_(self.table.weight, std=settings.embedding_size**-0.5)
        nn.init.zeros_(self.table.weight.data[PAD_ID])
        self.token_dropout = settings.token_dropout
        self.dropout = LockedDropout(settings.dropout)

    def start_from(self, vectors: Tensor, is_known: Tensor, *, is_tuned: bool) -> None:
        """Start from word vectors; ids without one keep their random start.

        Args:
            vectors: (V, E).
            is_known: (V,), True where there is a vector.
            is_tuned: Whether training changes the vectors of its words; if not, the
                whole table is constant.

        Raises:
            ValueError: If the table is of another shape.
        """
        num_learnt = self.table.num_embeddings
        shape = (self.num_ids, self.table.embedding_dim)
        if tuple(vectors.shape) != shape:
            raise ValueError(
                f"word vectors have {vectors.shape[1]} numbers each for {len(vectors)} ids, "
                f"the model's embedding has {shape[1]} for {shape[0]}: "
                f"set embedding_size to {vectors.shape[1]}"
            )
        with torch.no_grad():
            is_learnt = is_known[:num_learnt]
            self.table.weight[is_learnt] = vectors[:num_learnt][is_learnt].to(self.table.weight)
            if self.fixed is not None:
                self.fixed.copy_(vectors[num_learnt:])
        self.table.weight.requires_grad_(is_tuned)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ids (B, T) as (B, T, E)."""
        if self.training and self.token_dropout:
            dropped = torch.rand(ids.shape, device=ids.device) < self.token_dropout
            # As unknown and not as zeros: <unk> gets an embedding that new words can use.
            ids = ids.masked_fill(dropped & (ids != PAD_ID), UNK_ID)
        vectors: Tensor = self.dropout(self._look_up(ids))
        return vectors

    def _look_up(self, ids: Tensor) -> Tensor:
        if self.fixed is None:
            found: Tensor = self.table(ids)
            return found
        beyond = ids - self.table.num_embeddings  # (B, T), not negative where a vector is fixed
        fixed = nn.functional.embedding(beyond.clamp(min=0), self.fixed)
        return torch.where(
            beyond[:, :, None] >= 0, fixed, self.table(ids.masked_fill(beyond >= 0, PAD_ID))
        )

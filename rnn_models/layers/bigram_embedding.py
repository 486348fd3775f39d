"""Embeddings of neighboring tokens: a tagger of characters reads them in place of words.

B sequences, T time steps, P width of a pair's vector.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import PAD_ID

# 2 ** 17 - 1, a prime: pairs that share one are apart in nothing but their neighbours
NUM_BUCKETS = 131_071


class PairEmbedding(nn.Module):
    """Embeds each token together with the next one, in a hashed table.

    Vectors start at zero, so a pair that training never saw adds nothing.

    Origin:
        Zhang and Yang (2018), section 3.1, pairs of characters; Weinberger et
        al. (2009), hashed features.
    """

    def __init__(self, num_ids: int, width: int) -> None:
        super().__init__()
        self.num_ids = num_ids
        self.table = nn.Embedding(NUM_BUCKETS, width)
        nn.init.zeros_(self.table.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ids (B, T) as (B, T, P); the last token is paired with padding."""
        behind = nn.functional.pad(ids[:, 1:], (0, 1), value=PAD_ID)
        # One number per pair; the prime number of buckets spreads them without another hash.
        vectors: Tensor = self.table(torch.remainder(ids * self.num_ids + behind, NUM_BUCKETS))
        return vectors

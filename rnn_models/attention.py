"""Attention of a decoder's states over an encoder's.

B sequences, T source steps, U target steps, H width.
"""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multiplicative attention and the attentional state made of it.

    Origin:
        Luong, Pham and Manning (2015), "general" score and equation 5, without
        input feeding: so all target steps of a training batch are one call.
    """

    def __init__(self, query_size: int, key_size: int, output_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, key_size, bias=False)
        self.combine = nn.Linear(query_size + key_size, output_size, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: (B, U, query_size).
            keys: (B, T, key_size).
            mask: (B, T), True where a source token is real.

        Returns:
            Attentional states (B, U, output_size) and probabilities (B, U, T).
        """
        energies = self.query(queries) @ keys.mT  # (B, U, T)
        energies = energies.masked_fill(~mask[:, None], float("-inf"))
        probabilities = energies.softmax(dim=2)
        context = probabilities @ keys  # (B, U, key_size)
        states = torch.tanh(self.combine(torch.cat([context, queries], dim=2)))
        return states, probabilities

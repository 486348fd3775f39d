"""Attention of a decoder's states over an encoder's.

B sequences, T source steps, U target steps, Q width of a query, K of a source
state, O of an attentional state.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class Memory(NamedTuple):
    """What a decoder attends to, made once of a source: all that no target step changes.

    ``keys`` (B, T, Q) meet a query, ``values`` (B, T, O) are what a source
    state adds to an attentional state, ``barred`` (B, 1, T) is 0 where a token
    is real and -inf at padding.
    """

    keys: Tensor
    values: Tensor
    barred: Tensor

    def rows(self, index: Tensor) -> "Memory":
        """That of some sequences."""
        return Memory(*(tensor.index_select(0, index) for tensor in self))


class Attention(nn.Module):
    """Attention, and the attentional state made of its context and the query.

    ``general`` holds a query against a source state by a matrix; ``dot`` by
    their product, of each direction if the source is read in two;
    ``additive`` by a layer of its own.

    Origin:
        Luong, Pham and Manning (2015), the scores "general" and "dot", and
        equation 5, the attentional state; Bahdanau, Cho and Bengio (2015),
        appendix A.1.2, the additive score.
    """

    def __init__(
        self, query_size: int, key_size: int, output_size: int, scoring: str = "general"
    ) -> None:
        super().__init__()
        self.query_size = query_size
        self.key_size = key_size
        self.scoring = scoring
        if scoring != "dot":
            self.query = nn.Linear(
                query_size, key_size if scoring == "general" else query_size, bias=False
            )
        elif key_size % query_size:
            raise ValueError(
                f"attention dot needs source states of {query_size} or a multiple of it, got {key_size}"
            )
        if scoring == "additive":
            self.key = nn.Linear(key_size, query_size)
            self.energy = nn.Linear(query_size, 1, bias=False)
        self.combine = nn.Linear(query_size + key_size, output_size, bias=False)

    @property
    def is_product(self) -> bool:
        """Whether an energy is the product of a query and a key."""
        return self.scoring != "additive"

    def memory(self, states: Tensor, mask: Tensor) -> Memory:
        """Prepare source states (B, T, K); ``mask`` (B, T) is True where a source token is real.

        Both matrices that meet a source state are applied here, once, and not
        for each target step.
        """
        if self.scoring == "general":
            keys = states @ self.query.weight
        elif self.scoring == "additive":
            keys = self.key(states)
        else:
            keys = states.reshape(*states.shape[:2], -1, self.query_size).sum(
                2
            )  # (B, T, directions, Q) to (B, T, Q)
        values = linear(states, self.combine.weight[:, : self.key_size])
        barred = torch.zeros(mask.shape, dtype=states.dtype, device=mask.device).masked_fill(
            ~mask, float("-inf")
        )
        return Memory(keys, values, barred[:, None])

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: (B, U, Q).
            memory: Of the same sequences.

        Returns:
            Attentional states (B, U, O) and probabilities (B, U, T).
        """
        probabilities = self.look(queries, memory)
        own = linear(queries, self.own_weight)
        return torch.tanh(torch.baddbmm(own, probabilities, memory.values)), probabilities

    def look(self, queries: Tensor, memory: Memory) -> Tensor:
        """Where queries (B, U, Q) look: probabilities (B, U, T)."""
        if not self.is_product:
            met = torch.tanh(self.query(queries)[:, :, None] + memory.keys[:, None])  # (B, U, T, Q)
            energies = self.energy(met).squeeze(3) + memory.barred
        else:
            energies = torch.baddbmm(memory.barred, queries, memory.keys.mT)  # (B, U, T)
        probabilities: Tensor = energies.softmax(dim=2)
        return probabilities

    @property
    def own_weight(self) -> Tensor:
        """What a query itself adds to its attentional state, (O, Q)."""
        own: Tensor = self.combine.weight[:, self.key_size :]
        return own

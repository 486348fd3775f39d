"""Attention of a decoder's states over an encoder's.

Without it a decoder knows the source only by one state, through which all gradients must pass; with
it each target step has a short path to each source step.

B sequences, T source steps, U target steps, Q width of a query, K of a source
state, O of an attentional state.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class Memory(NamedTuple):
    """Keys, values and mask of a source, computed once for all target steps.

    ``keys`` (B, T, Q) are multiplied with queries, ``values`` (B, T, O) are
    what source states add to an attentional state, ``barred`` (B, 1, T) is 0
    where a token is real and -inf at padding.
    """

    keys: Tensor
    values: Tensor
    barred: Tensor

    def rows(self, index: Tensor) -> "Memory":
        """Select the memory of some sequences."""
        return Memory(*(tensor.index_select(0, index) for tensor in self))


class Attention(nn.Module):
    """Attention, and the attentional state made from its context and the query.

    ``general`` scores a query and a source state through a matrix; ``dot`` by
    their inner product, summed over both directions of the source;
    ``additive`` by a feed-forward layer.

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
                f"attention dot needs source states of {query_size} or a multiple of it, "
                f"got {key_size}"
            )
        if scoring == "additive":
            self.key = nn.Linear(key_size, query_size)
            self.energy = nn.Linear(query_size, 1, bias=False)
        self.combine = nn.Linear(query_size + key_size, output_size, bias=False)

    @property
    def is_product(self) -> bool:
        """Whether an energy is the inner product of a query and a key."""
        return self.scoring != "additive"

    def memory(self, states: Tensor, mask: Tensor) -> Memory:
        """Prepare source states (B, T, K); ``mask`` (B, T) is True where a source token is real.

        Both matrices over the source are applied here, once, and not at each
        target step.
        """
        # q W s = q (W s): with the matrix on the source's side an energy is one inner product.
        if self.scoring == "general":
            keys = states @ self.query.weight
        elif self.scoring == "additive":
            keys = self.key(states)
        else:
            # (B, T, D * Q) to (B, T, D, Q) to (B, T, Q)
            keys = states.reshape(*states.shape[:2], -1, self.query_size).sum(2)
        # Equation 5 applies W_c to [context; query]. Its left half commutes with the weighted sum
        # that makes the context, so it is applied to the source states before.
        values = linear(states, self.combine.weight[:, : self.key_size])
        # Added to energies: exp(-inf) is exactly 0, so padding gets no probability and no gradient.
        barred = torch.zeros(mask.shape, dtype=states.dtype, device=mask.device).masked_fill(
            ~mask, float("-inf")
        )
        return Memory(keys, values, barred[:, None])

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend to a source.

        Args:
            queries: (B, U, Q).
            memory: The source of the same sequences.

        Returns:
            Attentional states (B, U, O) and probabilities (B, U, T).
        """
        probabilities = self.look(queries, memory)
        own = linear(queries, self.own_weight)
        return torch.tanh(torch.baddbmm(own, probabilities, memory.values)), probabilities

    def look(self, queries: Tensor, memory: Memory) -> Tensor:
        """Compute attention probabilities (B, U, T) of queries (B, U, Q)."""
        if not self.is_product:
            # The nonlinearity stands between query and key, so no product of matrices covers all
            # pairs of steps.
            hidden = torch.tanh(
                self.query(queries)[:, :, None] + memory.keys[:, None]
            )  # (B, U, T, Q)
            energies = self.energy(hidden).squeeze(3) + memory.barred
        else:
            energies = torch.baddbmm(memory.barred, queries, memory.keys.mT)  # (B, U, T)
        probabilities: Tensor = energies.softmax(dim=2)
        return probabilities

    @property
    def own_weight(self) -> Tensor:
        """The part of the output matrix for the query, (O, Q)."""
        own: Tensor = self.combine.weight[:, self.key_size :]
        return own

"""Tag schemes: allowed sequences of tags, entities in tags, and BIO tags as BIOES.

B sequences, T time steps, K tags of a dataset (BIO), L tags of a model, S entities.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import length_mask

CLOSING = {"B": "S", "I": "E"}  # BIOES' letters where an entity ends


class Scheme(nn.Module):
    """Maps a dataset's BIO tags to the tags that a model learns, and back.

    With ``bioes`` a tag also marks whether its entity ends there: ``S`` is a
    whole entity, ``E`` the last token of a longer one. The two schemes have the
    same information, so each sequence of one has exactly one in the other.

    Origin:
        Ratinov and Roth (2009), section 3.3, BILOU.
    """

    closed: Tensor
    letters: Tensor
    dataset_tags: Tensor

    def __init__(self, tags: tuple[str, ...], kind: str) -> None:
        super().__init__()
        is_longer = [kind == "bioes" and tag[0] in CLOSING for tag in tags]
        pairs = [
            (i, tag, longer) for i, (tag, longer) in enumerate(zip(tags, is_longer, strict=True))
        ]
        names = [
            (i, name)
            for i, tag, longer in pairs
            for name in ([tag, CLOSING[tag[0]] + tag[1:]] if longer else [tag])
        ]
        self.tags = tuple(name for _, name in names)
        dataset_tags = torch.tensor([i for i, _ in names])
        # A dataset's tag has one or two of the model's, side by side: open first, then closed.
        first = torch.searchsorted(dataset_tags, torch.arange(len(tags)))
        self.register_buffer("dataset_tags", dataset_tags, persistent=False)
        self.register_buffer(
            "closed",
            torch.stack([first, first + torch.tensor(is_longer).long()], dim=1),
            persistent=False,
        )
        self.register_buffer(
            "letters", torch.tensor(["OBI".index(tag[0]) for tag in tags]), persistent=False
        )

    def to_model_tags(self, tags: Tensor, lengths: Tensor) -> Tensor:
        """Map a dataset's valid tags (B, T) to the model's (B, T)."""
        goes_on = (self.letters[tags] == 2) & length_mask(lengths, tags.shape[1])
        # The last token of an entity is one that no I follows; padding and the end follow as O.
        is_last = ~nn.functional.pad(goes_on[:, 1:], (0, 1))
        return self.closed[tags, is_last.long()]

    def marginals(self, learnt: Tensor) -> Tensor:
        """Sum probabilities of the model's tags (..., L) to those of a dataset's (..., K)."""
        sums = learnt.new_zeros(*learnt.shape[:-1], len(self.letters))
        return sums.index_add_(-1, self.dataset_tags, learnt)


def tag_steps(tags: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Find which tags may follow each tag, start a sequence, and end it.

    ``I-x`` and ``E-x`` stand only within an ``x``. In BIOES an open entity
    must continue until a tag closes it.

    Args:
        tags: Tags of BIO or of BIOES.

    Returns:
        (L, L), (L,) and (L,), True where allowed.
    """
    closes = (
        {CLOSING[tag[0]] + tag[1:]: tag for tag in tags if tag[0] in CLOSING}
        if any(tag[0] in "SE" for tag in tags)
        else {}
    )
    must_go_on = torch.tensor([tag in closes.values() for tag in tags])
    goes_on = torch.tensor([tag[0] in "IE" for tag in tags])
    is_open = torch.tensor([tag[0] in "BI" for tag in tags])
    is_same = torch.tensor([[before[1:] == tag[1:] for tag in tags] for before in tags])
    allowed = torch.where(goes_on, is_open[:, None] & is_same, ~must_go_on[:, None])
    return allowed, ~goes_on, ~must_go_on


def extending_tags(tags: tuple[str, ...]) -> Tensor:
    """Find the tag that would extend an entity ending in each tag, (L,); -1 for none."""
    is_closed = any(tag[0] in "SE" for tag in tags)
    inside = {tag[2:]: i for i, tag in enumerate(tags) if tag[0] == "I"}
    return torch.tensor(
        [-1 if is_closed or tag[0] == "O" else inside.get(tag[2:], -1) for tag in tags]
    )


def find_entities(letters: Tensor, lengths: Tensor) -> Tensor:
    """Find the entities of valid BIO tags.

    Args:
        letters: (B, T), 1 where a tag begins an entity, 2 where it continues one.
        lengths: (B,).

    Returns:
        (S, 3): sequence, start, and stop, exclusive; in reading order.
    """
    num_steps = letters.shape[1]
    letters = nn.functional.pad(letters * length_mask(lengths, num_steps), (0, 1))
    steps = torch.arange(num_steps + 1, device=letters.device)
    # An entity stops at the next token that does not continue it: a minimum from the right.
    ends = (
        torch.where(letters != 2, steps, num_steps).flip(1).cummin(1).values.flip(1)
    )  # (B, T + 1)
    row, start = (letters == 1).nonzero().unbind(1)
    return torch.stack([row, start, ends[row, start + 1]], dim=1)

"""Two sets of weights held against each other, bit by bit."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from rnn_models.checkpoints.checkpoint import WEIGHTS

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Change:
    """How far one tensor is off: its weights, those whose bits differ, and by how much at most.

    ``largest`` is None where a difference is no number.
    """

    name: str
    num: int
    num_differing: int
    largest: float | None


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights that ``save_model`` wrote into a folder, without a model to put them in.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        return load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is damaged ({error})") from error


def misfits(expected: Weights, found: Weights) -> list[str]:
    """Say which tensors cannot be compared: they are on one side only, or of another shape or type."""
    return [
        f"{name}: expected {_said(expected.get(name))}, found {_said(found.get(name))}"
        for name in sorted(expected.keys() | found.keys())
        if _said(expected.get(name)) != _said(found.get(name))
    ]


def changes_of_weights(expected: Weights, found: Weights) -> list[Change]:
    """Every tensor that both sides have in one shape, the one that is farthest off first."""
    alike = [name for name in expected if _said(expected[name]) == _said(found.get(name))]
    return sorted(_changes(alike, expected, found), key=_nearness)


def _nearness(change: Change) -> tuple[float, int]:
    return -math.inf if change.largest is None else -change.largest, -change.num_differing


def _changes(names: list[str], expected: Weights, found: Weights) -> Iterator[Change]:
    for name in names:
        ours = expected[name].contiguous().flatten()
        theirs = found[name].contiguous().flatten()
        # As bytes: 0 is not -0, and what is no number may still be the same.
        differs = (
            (ours.view(torch.uint8) != theirs.view(torch.uint8))
            .view(len(ours), ours.element_size())
            .any(1)
        )
        off = (ours[differs].double() - theirs[differs].double()).abs()
        largest = float(off.nan_to_num(nan=math.inf, posinf=math.inf).max()) if len(off) else 0.0
        yield Change(
            name, len(ours), int(differs.sum()), largest if math.isfinite(largest) else None
        )


def _said(tensor: Tensor | None) -> str:
    return (
        "none"
        if tensor is None
        else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    )

"""Two sets of weights compared bit by bit."""

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
    """The change of one tensor: its weights, those whose bits differ, and the largest difference.

    ``largest`` is None where a difference is not finite.
    """

    name: str
    num: int
    num_differing: int
    largest: float | None


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights that ``save_model`` wrote, without building the model.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        return load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is damaged ({error})") from error


def misfits(expected: Weights, found: Weights) -> list[str]:
    """List the tensors that cannot be compared: on one side only, or of another shape or type."""
    return [
        f"{name}: expected {_describe(expected.get(name))}, found {_describe(found.get(name))}"
        for name in sorted(expected.keys() | found.keys())
        if _describe(expected.get(name)) != _describe(found.get(name))
    ]


def changes_of_weights(expected: Weights, found: Weights) -> list[Change]:
    """Compare all tensors that both sides have in the same shape, largest change first."""
    alike = [name for name in expected if _describe(expected[name]) == _describe(found.get(name))]
    return sorted(_changes(alike, expected, found), key=_nearness)


def _nearness(change: Change) -> tuple[float, int]:
    return -math.inf if change.largest is None else -change.largest, -change.num_differing


def _changes(names: list[str], expected: Weights, found: Weights) -> Iterator[Change]:
    for name in names:
        ours = expected[name].contiguous().flatten()
        theirs = found[name].contiguous().flatten()
        # As bytes: 0 and -0 differ, and NaN can equal NaN.
        differs = (
            (ours.view(torch.uint8) != theirs.view(torch.uint8))
            .view(len(ours), ours.element_size())
            .any(1)
        )
        # In float64: the difference of two float32 numbers is exact there.
        off = (ours[differs].double() - theirs[differs].double()).abs()
        largest = float(off.nan_to_num(nan=math.inf, posinf=math.inf).max()) if len(off) else 0.0
        yield Change(
            name, len(ours), int(differs.sum()), largest if math.isfinite(largest) else None
        )


def _describe(tensor: Tensor | None) -> str:
    return (
        "none"
        if tensor is None
        else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    )

"""A model saved in a folder and loaded again: weights as safetensors, all else as JSON.

safetensors holds numbers only. A pickle, torch's own format, can run code when it is loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rnn_models.problem import Problem, Sizes, find_problem
from rnn_models.settings import TrainSettings

WEIGHTS = "model.safetensors"
SETTINGS = "model.json"


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copy a model's weights; a shared one has the first of its names."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters()}


def save_model(
    folder: Path,
    weights: dict[str, Tensor],
    problem: Problem,
    sizes: Sizes,
    settings: TrainSettings,
) -> None:
    """Write a model's weights and the settings that build it again.

    Raises:
        FloatingPointError: If a weight is not finite.
    """
    check_finite(weights, "the model is not saved")
    save_file(weights, folder / WEIGHTS)
    built = {"problem": problem.name, "sizes": asdict(sizes), "settings": asdict(settings)}
    (folder / SETTINGS).write_text(json.dumps(built, indent=2, ensure_ascii=False) + "\n")


def check_finite(weights: Mapping[str, Tensor], consequence: str) -> None:
    """Check that no weight is infinite or NaN: such a model answers, but with nonsense.

    Raises:
        FloatingPointError: If one is, with the name of its tensor and the consequence.
    """
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise FloatingPointError(
                f"weights of {name} are infinite or not a number (NaN), so {consequence}"
            )


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into a model of the same shape.

    Raises:
        ValueError: If names or shapes differ.
    """
    own = dict(model.named_parameters())
    if own.keys() != weights.keys():
        raise ValueError(f"weights do not fit: {sorted(own.keys() ^ weights.keys())} differ")
    with torch.no_grad():  # autograd allows no change in place of a leaf that requires a gradient
        for name, parameter in own.items():
            expected = tuple(parameter.shape)
            got = tuple(weights[name].shape)
            if got != expected:  # a copy would spread (1,) over all of (K,)
                raise ValueError(f"{name} must be of shape {expected}, got {got}")
            parameter.copy_(weights[name])


def load_model(folder: Path) -> tuple[Problem, nn.Module]:
    """Build the model of a folder, ready to predict.

    Raises:
        FloatingPointError: If a weight is not finite.
    """
    built = json.loads((folder / SETTINGS).read_text())
    problem = find_problem(built["problem"])
    sizes = Sizes(**built["sizes"] | {"labels": tuple(built["sizes"]["labels"])})
    model = problem.build(sizes, TrainSettings(**built["settings"]))
    weights = load_file(folder / WEIGHTS)
    check_finite(weights, f"{folder / WEIGHTS} cannot be used: retrain")
    load_weights(model, weights)
    return problem, model.eval()

"""The state of a training in one file, from which it resumes; written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.training.clipping import Clipper
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from rnn_models.training.optimizer import Averaging


class Resumable(Protocol):
    """The parts of a training that are saved."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    averaging: Averaging
    clipper: Clipper
    history: TrainingHistory
    carried: tuple[Tensor, ...]
    device: torch.device
    seconds: float


def save_training(training: Resumable, path: Path) -> None:
    """Write weights, optimizer, averages, carried state and history."""
    history = training.history
    groups: dict[str, dict[str, Tensor]] = {
        "now": {name: p.detach() for name, p in training.model.named_parameters()},
        "best": history.weights,
        "average": training.averaging.tensors(),
        "carried": {str(i): state for i, state in enumerate(training.carried)},
        "optimizer": {
            f"{i}.{key}": value
            for i, state in training.optimizer.state_dict()["state"].items()
            for key, value in state.items()
            if isinstance(value, Tensor)  # SGD without momentum has None
        },
    }
    tensors = {
        f"{group}.{name}": t.detach().cpu().contiguous()
        for group, named in groups.items()
        for name, t in named.items()
    }
    metadata = {
        "steps": json.dumps([vars(step) for step in history.steps]),
        "epochs": json.dumps([vars(epoch) for epoch in history.epochs]),
        "seconds": json.dumps(training.seconds),
    }
    # Written beside the old state and renamed: a crash leaves one of the two whole. Without fsync
    # the rename may reach the disk before the bytes do.
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=metadata)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def load_training(training: Resumable, path: Path) -> None:
    """Restore the state that ``save_training`` wrote."""
    groups: dict[str, dict[str, Tensor]] = {
        name: {} for name in ("now", "best", "average", "carried", "optimizer")
    }
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        for key in file.keys():  # noqa: SIM118, not a dict
            group, name = key.split(".", 1)
            groups[group][name] = file.get_tensor(key)
    load_weights(training.model, groups["now"])
    training.averaging.restore(groups["average"])
    training.carried = tuple(
        groups["carried"][str(i)].to(training.device) for i in range(len(groups["carried"]))
    )
    # Parameters of an optimizer have numbers, not names; their order is that of the model.
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups["optimizer"].items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    settings = training.optimizer.state_dict()["param_groups"]
    training.optimizer.load_state_dict({"state": state, "param_groups": settings})
    history = training.history
    history.weights.update(groups["best"])
    history.steps.extend(TrainingStep(**item) for item in json.loads(metadata["steps"]))
    history.epochs.extend(Epoch(**item) for item in json.loads(metadata["epochs"]))
    training.seconds = json.loads(metadata["seconds"])
    # Adaptive clipping takes a percentile of all norms so far, so these are part of the state.
    training.clipper.remember(step.gradient_norm for step in history.steps)

"""The state of a training in files, from which it resumes: the newest and the one before it.

A state is written whole or not at all, and carries a digest of its content. A
damaged one counts as missing, so the training resumes from the one before.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.checkpoints.durable_rename import durable_rename
from rnn_models.training.clipping import Clipper
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from rnn_models.training.optimizer import Averaging

log = logging.getLogger(__name__)
GROUPS = ("now", "best", "average", "carried", "optimizer")
DIGEST = "digest"


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


@dataclass(frozen=True)
class State:
    """A saved state: tensors by group and name, and the JSON of all else."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def group(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of a group by their names."""
        found = {key.partition("."): tensor for key, tensor in self.tensors.items()}
        return {rest: tensor for (group, _, rest), tensor in found.items() if group == name}

    def digest(self) -> str:
        """Digest names and bytes of all tensors, and the metadata without its digest."""
        rest = {key: value for key, value in self.metadata.items() if key != DIGEST}
        summed = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            # With name, type and shape: the same bytes under another name are another state.
            summed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            content = tensor.reshape(-1).view(torch.uint8)  # NumPy has no bfloat16
            summed.update(content.numpy().data)
        return summed.hexdigest()


def save_training(training: Resumable, path: Path) -> None:
    """Write weights, optimizer, averages, carried state and history; keep the state before."""
    state = _state_of(training)
    # Written beside the old file and renamed: a crash during the write damages no state.
    partial = path.with_suffix(".partial")
    save_file(state.tensors, partial, metadata=state.metadata | {DIGEST: state.digest()})
    if path.exists():
        path.replace(state_before(path))  # a crash after this line leaves that one
    durable_rename(partial, path)


def load_training(training: Resumable, path: Path) -> bool:
    """Restore the newest valid state that ``save_training`` wrote.

    Returns:
        Whether there is one; without it the training starts from the beginning.
    """
    state = next(_valid_states(path), None)
    if state is None:
        return False
    load_weights(training.model, state.group("now"))
    training.averaging.restore(state.group("average"))
    carried = state.group("carried")
    training.carried = tuple(carried[str(i)].to(training.device) for i in range(len(carried)))
    # Not saved: they follow from the settings of the training and from the schedule.
    settings = training.optimizer.state_dict()["param_groups"]
    training.optimizer.load_state_dict(
        {"state": _by_number(state.group("optimizer")), "param_groups": settings}
    )
    history = training.history
    history.weights.update(state.group("best"))
    history.steps.extend(TrainingStep(**item) for item in json.loads(state.metadata["steps"]))
    history.epochs.extend(Epoch(**item) for item in json.loads(state.metadata["epochs"]))
    training.seconds = json.loads(state.metadata["seconds"])
    # Adaptive clipping takes a percentile of all norms so far, so these are part of the state.
    training.clipper.remember(step.gradient_norm for step in history.steps)
    return True


def remove_states(path: Path) -> None:
    """Remove all states of a training that is finished."""
    for each in (path, state_before(path), path.with_suffix(".partial")):
        each.unlink(missing_ok=True)


def state_before(path: Path) -> Path:
    """Name the file of the state before the newest."""
    return path.with_stem(f"{path.stem}-before")


def _state_of(training: Resumable) -> State:
    history = training.history
    groups: dict[str, Mapping[str, Tensor]] = {
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
    # safetensors refuses tensors that are not contiguous.
    tensors = {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group in GROUPS
        for name, tensor in groups[group].items()
    }
    metadata = {
        "steps": json.dumps([vars(step) for step in history.steps]),
        "epochs": json.dumps([vars(epoch) for epoch in history.epochs]),
        "seconds": json.dumps(training.seconds),
    }
    return State(tensors, metadata)


def _valid_states(path: Path) -> Iterator[State]:
    for each in (path, state_before(path)):
        if not each.exists():
            continue
        try:
            state = _read(each)
        except (SafetensorError, OSError) as error:
            log.warning("%s is damaged (%s): an earlier state is used", each, error)
            continue
        # safetensors notices a short file, but no flipped bit.
        if state.metadata.get(DIGEST) == state.digest():
            yield state
        else:
            log.warning("%s is damaged (its digest differs): an earlier state is used", each)


def _read(path: Path) -> State:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a dict
        return State(tensors, file.metadata() or {})


def _by_number(named: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Arrange an optimizer's tensors: its parameters have numbers, in the model's order."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in named.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    return state

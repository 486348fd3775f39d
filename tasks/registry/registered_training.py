"""The training of a registered version: weights and settings from MLflow, tags of its inputs."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rnn_models.checkpoints.checkpoint import SETTINGS
from rnn_models.checkpoints.weight_diff import Weights, read_weights
from rnn_models.problem import Problem, find_problem
from rnn_models.settings import TrainSettings
from tasks.registry.registered_model import download, find_model
from tasks.registry.version_facts import all_facts
from tasks.registry.versions import SNAPSHOT, check_complete
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
TOKENS = "refrain.tokens"
CHECKPOINT = "refrain.checkpoint"


@dataclass(frozen=True)
class Past:
    """A version as it was registered: tags, MLflow run, stored settings, and weights."""

    name: str
    number: str
    tags: dict[str, str]
    mlflow_run: str
    problem: Problem
    settings: dict[str, Any]
    weights: Weights

    @property
    def lost_settings(self) -> list[str]:
        """Names of settings that no longer exist."""
        return sorted(self.settings.keys() - {declared.name for declared in fields(TrainSettings)})

    def train_settings(self) -> TrainSettings:
        """Read the settings with today's code; newer settings have their defaults."""
        return TrainSettings(
            **{
                name: value
                for name, value in self.settings.items()
                if name not in self.lost_settings
            }
        )


def find_past(model: str, version: str) -> Past:
    """Download a version with its tags, settings and weights.

    Args:
        model: Name of a registered model; or a name with a version or an alias, as ``find_model``
            reads it, and ``version`` is ignored.
        version: A version number or an alias.

    Raises:
        ValueError: If there is no such version, it is not complete, or its tags lack its inputs.
    """
    reference = model
    if not {"/", "@"} & set(model):
        reference = f"{model}{'/' if version.isdigit() else '@'}{version}"
    name, number = find_model(reference)
    info = check_complete(name, number)
    tags = all_facts(info)
    _check_ours(name, number, tags)
    with temporary_folder("replay") as folder:
        files = download(name, number, folder) / "artifacts" / "model"
        try:
            built = json.loads((files / SETTINGS).read_text())
            weights = read_weights(files)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{name} version {number} cannot be trained again, "
                f"its files in MLflow are damaged: {error}"
            ) from error
    problem = find_problem(built["problem"])
    return Past(name, number, tags, str(info.run_id or ""), problem, built["settings"], weights)


def _check_ours(name: str, number: str, tags: Mapping[str, str]) -> None:
    missing = [tag for tag in (SNAPSHOT, TOKENS, CHECKPOINT) if not tags.get(tag)]
    if missing:
        raise ValueError(
            f"{name} version {number} cannot be trained again: it has no tag {missing[0]}, so its "
            "training data is not known. Another program registered it, or its tags were removed "
            "in MLflow: choose a version that refrain run registered"
        )

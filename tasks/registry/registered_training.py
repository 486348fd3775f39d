"""What a registered version was made of: its weights and settings from MLflow, its token set from the store."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rnn_models.checkpoints.checkpoint import SETTINGS
from rnn_models.checkpoints.weight_diff import Weights, read_weights
from rnn_models.problem import Problem, find_problem
from rnn_models.settings import TrainSettings
from tasks.registry.registered_model import download, find_model
from tasks.registry.versions import check_complete

log = logging.getLogger(__name__)
SNAPSHOT, TOKENS, CHECKPOINT = "refrain.snapshot", "refrain.tokens", "refrain.checkpoint"


@dataclass(frozen=True)
class Past:
    """A version as it was registered: its tags, its MLflow run, settings as its files have them, and its weights."""

    name: str
    number: str
    tags: dict[str, str]
    mlflow_run: str
    problem: Problem
    settings: dict[str, Any]
    weights: Weights

    @property
    def lost_settings(self) -> list[str]:
        """Names of settings that there are no more."""
        return sorted(self.settings.keys() - {declared.name for declared in fields(TrainSettings)})

    def train_settings(self) -> TrainSettings:
        """The settings as they are read today; one that came since has its default."""
        return TrainSettings(
            **{
                name: value
                for name, value in self.settings.items()
                if name not in self.lost_settings
            }
        )


def find_past(model: str, version: str) -> Past:
    """Fetch a version and what it tells of itself.

    Args:
        model: Name of a registered model; or as ``find_model`` reads it, and then ``version`` is not looked at.
        version: Its number or an alias.

    Raises:
        ValueError: If there is no such version, it is not complete, or nothing tells what it was trained on.
    """
    said = (
        model if {"/", "@"} & set(model) else f"{model}{'/' if version.isdigit() else '@'}{version}"
    )
    name, number = find_model(said)
    info = check_complete(name, number)
    _check_ours(name, number, info.tags)
    with TemporaryDirectory(prefix="refrain-replay-") as folder:
        files = download(name, number, Path(folder)) / "artifacts" / "model"
        try:
            built, weights = json.loads((files / SETTINGS).read_text()), read_weights(files)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{name} version {number} cannot be trained again, its files in MLflow are not whole: {error}"
            ) from error
    problem = find_problem(built["problem"])
    return Past(
        name, number, dict(info.tags), str(info.run_id or ""), problem, built["settings"], weights
    )


def _check_ours(name: str, number: str, tags: Mapping[str, str]) -> None:
    lacking = [tag for tag in (SNAPSHOT, TOKENS, CHECKPOINT) if not tags.get(tag)]
    if lacking:
        raise ValueError(
            f"{name} version {number} cannot be trained again: it has no tag {lacking[0]}, so what it was trained on is not "
            f"known. Another program registered it, or its tags were removed in MLflow: name one that refrain run registered"
        )

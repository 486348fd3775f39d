"""The settings of the monitor."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import yaml
from pydantic import ConfigDict

from data.errors import nearest
from rnn_models.settings import check_setting, setting


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """When rows count as drifted, and how many are compared.

    A feature drifted if its shift is beyond chance (``alpha``) and also large enough to matter
    (``min_psi``, ``min_auc``, ``min_loss``).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    alpha: float = setting(
        0.02, "Probability of an alarm about rows that did not drift.", low=0.0001, high=0.5
    )
    min_psi: float = setting(
        0.1, "Smallest population stability index that counts as drift.", low=0, high=10
    )
    min_auc: float = setting(
        0.55,
        "Smallest area under the curve of the classifier that counts as drift (0.5: no drift).",
        low=0.5,
        high=1,
    )
    min_loss: float = setting(
        2.0,
        "Smallest loss of the champion's score on new rows that counts as drift, in points.",
        low=0,
        high=100,
    )
    min_rows: int = setting(100, "Fewest new rows, or predictions, that are compared.", low=20)
    max_rows: int = setting(2_000, "Most rows of each side that are compared.", low=20)
    trigger_rows: int = setting(
        1_000, "New rows since the champion's snapshot that start a retraining.", low=1
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_setting(declared, getattr(self, declared.name))


def parse_monitor_settings(assignments: Sequence[str]) -> MonitorSettings:
    """Read settings of a command line, each as ``name=value``.

    Raises:
        ValueError: If a name is unknown, with the nearest one, or a value is wrong.
    """
    names = [declared.name for declared in fields(MonitorSettings)]
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, is_given, value = assignment.partition("=")
        if not is_given:
            raise ValueError(f"--set takes NAME=VALUE, got {assignment!r}")
        if name not in names:
            raise ValueError(f"the monitor has no setting {name!r}: {nearest(name, names)}")
        values[name] = yaml.safe_load(value)
    return MonitorSettings(**values)

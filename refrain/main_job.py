"""The main job: the datasets of ``main_job.yaml`` with their settings."""

from typing import Any

import yaml

from tasks.store.installation import ROOT


def main_job() -> dict[str, dict[str, dict[str, Any]]]:
    """Read the datasets of the main job, in order, each with its changed settings by stage."""
    found: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
        (ROOT / "main_job.yaml").read_text(encoding="utf-8")
    )
    return found

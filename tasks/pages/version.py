"""The page of a model version: its links and its lineage."""

from collections.abc import Mapping

from tasks.pages.run_pages import publish
from tasks.registry.mlflow_client import run_link, version_link
from tasks.store.artifacts import ModelVersion


def version_page(made: ModelVersion, tags: Mapping[str, str]) -> None:
    """Publish the links and the lineage of a version on the run page."""
    links = (
        f"[version {made.version}]({version_link(made.name, made.version)}), "
        f"[MLflow run]({run_link(made.mlflow_run)})"
    )
    rows = [
        f"| {name.removeprefix('refrain.').replace('_', ' ')} | `{value}` |"
        for name, value in tags.items()
    ]
    text = "\n".join(
        [
            f"# {made.name}, version {made.version}",
            links,
            "",
            "| lineage | |",
            "|---|---|",
            *rows,
        ]
    )
    publish("version", made.name, text, f"{made.name} version {made.version}")

"""The page of a model version: its links and its origin."""

from collections.abc import Mapping

from tasks.pages.run_pages import publish
from tasks.registry.mlflow_client import run_link, version_link
from tasks.store.artifacts import ModelVersion


def version_page(made: ModelVersion, tags: Mapping[str, str]) -> None:
    """Show on the Prefect run page which version it is, with the ways to it and what it was made of."""
    links = f"[version {made.version}]({version_link(made.name, made.version)}), [MLflow run]({run_link(made.mlflow_run)})"
    rows = [
        f"| {name.removeprefix('refrain.').replace('_', ' ')} | `{value}` |"
        for name, value in tags.items()
    ]
    text = "\n".join(
        [
            f"# {made.name}, version {made.version}",
            links,
            "",
            "| made of and by | |",
            "|---|---|",
            *rows,
        ]
    )
    publish("version", made.name, text, f"{made.name} version {made.version}")

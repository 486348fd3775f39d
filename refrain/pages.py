"""The pages of a dataset in both dashboards of a running ``refrain up``."""

import os
import sys
import webbrowser
from urllib.parse import quote

from refrain.access import kept_auth
from refrain.deployments import Server
from refrain.doctor.surroundings import read_up
from tasks.registry.links import ui_page
from tasks.registry.registry_tables import experiment_id


def pages_of(dataset: str) -> dict[str, str]:
    """Find the pages of a dataset: its deployment in Prefect, its experiment in MLflow.

    Raises:
        ValueError: If no ``refrain up`` runs on this store.
        OSError: If the Prefect server does not respond.
    """
    up = read_up()
    if not up.is_running:
        raise ValueError("the dashboards do not run on this store: refrain up starts them")
    server = Server(up.prefect, kept_auth(up.prefect))
    own = [each for each in server.deployments() if each["parameters"].get("dataset") == dataset]
    dashboard = up.prefect.removesuffix("/api")
    path = f"deployments/deployment/{own[0]['id']}" if own else "runs"
    number = experiment_id(dataset)
    models = f"experiments/{quote(number)}" if number else "experiments"
    return {"Prefect": f"{dashboard}/{path}", "MLflow": ui_page(up.mlflow, models)}


def open_pages(addresses: list[str]) -> None:
    """Open pages in the user's browser, if there is a screen to show it on."""
    has_screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if has_screen:
        for address in addresses:
            webbrowser.open(address)

"""Addresses of pages of the MLflow UI."""

import os

UI_URL = "REFRAIN_MLFLOW_UI_URL"  # set by `refrain up`, whose port may be another one
DEFAULT_UI_URL = "http://127.0.0.1:5000"


def ui_url() -> str:
    """Where the MLflow UI is once `refrain up` runs."""
    return os.environ.get(UI_URL) or DEFAULT_UI_URL


def ui_page(server: str, path: str = "experiments") -> str:
    """The address of a page, in the view for models: MLflow opens in one for agents, whose menu has no models."""
    return f"{server}/#/{path}?workflowType=machine_learning"

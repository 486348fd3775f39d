"""Addresses of pages of the MLflow UI, and of the database in the store."""

import os
from pathlib import Path

UI_URL = "REFRAIN_MLFLOW_UI_URL"  # set by `refrain up`, whose port may be another one
DEFAULT_UI_URL = "http://127.0.0.1:5000"


def ui_url() -> str:
    """Where the MLflow UI is once `refrain up` runs."""
    return os.environ.get(UI_URL) or DEFAULT_UI_URL


def ui_page(server: str, path: str = "experiments") -> str:
    """The address of a page, in the view for models: MLflow opens in one for agents, whose menu has no models."""
    return f"{server}/#/{path}?workflowType=machine_learning"


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file. SQLAlchemy 2.0 takes the path as it stands, and reads a query behind ``?``.

    Raises:
        ValueError: If the path has a question mark.
    """
    if "?" in str(path):
        raise ValueError(
            f"the store cannot lie in {path.parent}: SQLite's addresses have no way to write '?'"
        )
    return f"sqlite:///{path}"

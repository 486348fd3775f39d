"""Addresses of pages of the MLflow UI, and of the database in the store."""

import os
from pathlib import Path

UI_URL = "REFRAIN_MLFLOW_UI_URL"  # set by `refrain up`, whose port may differ from the default
DEFAULT_UI_URL = "http://127.0.0.1:5000"


def ui_url() -> str:
    """Return the address of the MLflow UI while `refrain up` runs."""
    return os.environ.get(UI_URL) or DEFAULT_UI_URL


def ui_page(server: str, path: str = "experiments") -> str:
    """Return the address of a page in the view for models, as MLflow opens in one for agents."""
    return f"{server}/#/{path}?workflowType=machine_learning"


def sqlite_url(path: Path) -> str:
    """Return the address of an SQLite file.

    SQLAlchemy 2.0 reads the path unescaped, and a query after ``?``.

    Raises:
        ValueError: If the path has a question mark.
    """
    if "?" in str(path):
        raise ValueError(
            f"the store cannot be in {path.parent}: SQLite's addresses cannot contain '?'"
        )
    return f"sqlite:///{path}"

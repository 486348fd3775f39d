"""The password in MLflow's address: MLflow prints addresses, so it gets the password apart."""

from collections.abc import MutableMapping
from urllib.parse import unquote, urlsplit

ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
USER = "MLFLOW_TRACKING_USERNAME"
PASSWORD = "MLFLOW_TRACKING_PASSWORD"


def take_password(environment: MutableMapping[str, str]) -> None:
    """Move user and password out of the addresses of MLflow servers, to the variables for them.

    Databases keep theirs: MLflow has no other place for it, and does not print it.
    """
    for name in ADDRESSES:
        parts = urlsplit(environment.get(name, ""))
        if parts.scheme not in ("http", "https") or parts.username is None:
            continue
        environment.setdefault(USER, unquote(parts.username))
        environment.setdefault(PASSWORD, unquote(parts.password or ""))
        host = parts.netloc.rpartition("@")[2]
        environment[name] = parts._replace(netloc=host).geturl()

"""Secrets that must not stand in a notice: of the catalogs, the environment and a channel."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from prefect.blocks.core import Block

from data.errors import RowError
from data.sources.secret_references import NAMED, SECRET_NAME
from tasks.ingestion.catalogs import catalog_paths
from tasks.store.secrets import Secrets

MIN_CHARACTERS = 6  # shorter values stand in ordinary text too
AUTH = "AUTH_STRING"  # ends the names of Prefect's variables with user and password


def known_secrets(catalogs: set[str]) -> Secrets:
    """Collect the secrets that the catalogs name and those in the environment.

    Args:
        catalogs: Further catalog files of the flow runs, as their parameter gives them.
    """
    secrets = Secrets()
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) or name.endswith(AUTH):
            secrets.values |= _long(value, value.partition(":")[2] if name.endswith(AUTH) else "")
    for catalog in {"", *catalogs}:
        # A catalog that is gone or a secret that is not here has nothing to hide.
        with suppress(RowError, OSError):
            for path in catalog_paths(catalog):
                for found in NAMED.finditer(path.read_text(encoding="utf-8")):
                    with suppress(RowError, OSError):
                        secrets.reveal(found[0])
    return secrets


def secrets_of(block: Block) -> Secrets:
    """Collect the secrets of a channel: hidden fields, and the parts of its address."""
    secrets = Secrets()
    for name in type(block).model_fields:
        secrets.values |= _long(*_texts(getattr(block, name), is_address=name == "url"))
    return secrets


def _texts(value: Any, *, is_address: bool) -> Iterator[str]:
    """Yield the secret texts of a field."""
    hidden = value.get_secret_value() if hasattr(value, "get_secret_value") else None
    texts = hidden.values() if isinstance(hidden, dict) else [hidden, value if is_address else ""]
    for text in texts:
        if isinstance(text, str):
            address = urlsplit(text)
            yield text
            yield from (address.password or "", *address.path.split("/"))
            yield from (part.partition("=")[2] for part in address.query.split("&"))


def _long(*values: str) -> set[str]:
    return {value for value in values if len(value) >= MIN_CHARACTERS}

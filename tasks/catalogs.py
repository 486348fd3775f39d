"""Which catalog files hold: light enough for the command line."""

import os
from pathlib import Path

from data.catalog import CATALOG


def catalog_paths(catalog: str | None) -> list[Path]:
    """The catalog of Refrain, those of ``REFRAIN_CATALOG``, and those that are named here, with ``:`` between."""
    named = [os.environ.get("REFRAIN_CATALOG", ""), catalog or ""]
    paths = [Path(path) for text in named for path in text.split(os.pathsep) if path]
    return [CATALOG, *dict.fromkeys(path for path in paths if path.resolve() != CATALOG)]

"""Which catalog files hold: light enough for the command line."""

import os
from pathlib import Path

from data.catalog.catalog import CATALOG
from data.errors import RowError

VARIABLE = "REFRAIN_CATALOG"


def catalog_paths(catalog: str | None) -> list[Path]:
    """The catalog of Refrain, those of ``REFRAIN_CATALOG``, and those that are named here, with ``:`` between.

    Raises:
        RowError: If the variable names a file that is not there.
    """
    ours, theirs = _paths(os.environ.get(VARIABLE, "")), _paths(catalog or "")
    for path in ours:
        if not path.exists():
            raise RowError(f"there is no catalog file {path}, which the variable {VARIABLE} names")
    found: dict[Path, Path] = {}
    for path in (CATALOG, *ours, *theirs):
        found.setdefault(path.resolve(), path)  # by where it lies, for one may be named twice
    return list(found.values())


def _paths(text: str) -> list[Path]:
    names = (name.strip() for name in text.split(os.pathsep))
    return [
        Path(f"{Path.home()}{name[1:]}" if name.startswith("~/") else name)
        for name in names
        if name
    ]

"""The catalog files to read; light enough for the command line."""

import os
from collections.abc import Iterable
from pathlib import Path

from data.catalog.catalog import CATALOG
from data.errors import RowError
from data.sources.permissions import HOSTS, PATHS, Permissions
from tasks.store.installation import CATALOG as PROJECT_CATALOG
from tasks.store.installation import project

VARIABLE = "REFRAIN_CATALOG"


def catalog_paths(catalog: str | None) -> list[Path]:
    """List the catalogs: Refrain's, the project's, those of ``REFRAIN_CATALOG`` and the argument's.

    Args:
        catalog: Paths separated by ``:``.

    Raises:
        RowError: If the variable names a missing file, or the argument a path that is not allowed.
    """
    own = own_catalogs()
    for path in own:
        if not path.exists():
            raise RowError(f"there is no catalog file {path}, which the variable {VARIABLE} names")
    found: dict[Path, Path] = {}
    given = _paths(catalog or "")
    for path in given:
        if path.resolve() not in {each.resolve() for each in own}:
            permissions().check_path(path, f"the catalog {path}")
    for path in (CATALOG, *own, *given):
        found.setdefault(path.resolve(), path)  # a file may be named twice
    return list(found.values())


def permissions() -> Permissions:
    """Read what a parameter of a flow or a command may name; unset variables permit everything."""
    folders = os.environ.get(PATHS)
    hosts = os.environ.get(HOSTS)
    return Permissions(
        None if folders is None else tuple(map(Path, filter(None, folders.split(os.pathsep)))),
        None if hosts is None else tuple(filter(None, map(str.strip, hosts.split(",")))),
    )


def restrictions(folders: Iterable[Path]) -> dict[str, str]:
    """Return the variables that permit some folders and no host, where they are not set."""
    given = {PATHS: os.pathsep.join(map(str, sorted(folders))), HOSTS: ""}
    return {name: os.environ.get(name, value) for name, value in given.items()}


def project_catalog() -> list[Path]:
    """The project's own catalog, if it has one."""
    path = project() / PROJECT_CATALOG
    return [path] if path.is_file() else []


def own_catalogs() -> list[Path]:
    """List the catalogs beside ours: the project's and those of ``REFRAIN_CATALOG``."""
    return [*project_catalog(), *_paths(os.environ.get(VARIABLE, ""))]


def _paths(text: str) -> list[Path]:
    names = (name.strip() for name in text.split(os.pathsep))
    return [
        Path(f"{Path.home()}{name[1:]}" if name.startswith("~/") else name)
        for name in names
        if name
    ]

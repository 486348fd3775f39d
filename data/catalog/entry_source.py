"""The ``source`` of a catalog entry: the class of its kind, with paths and addresses resolved."""

import importlib
import pkgutil
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from data import sources
from data.catalog.yaml_entries import Entry
from data.errors import RowError, nearest
from data.rows.splits import SPLITS
from data.sources.base import Source

SQLITE = re.compile(r"^(sqlite(?:\+\w+)?:///)([^/:$?].*)$")  # with a relative path
SPLIT_KEYS = ("members", "paths")  # fields of sources that map a split (or ``all``) to its files


def read_source(entry: Entry, folder: Path) -> Source:
    """Make the source of an entry; its kind names the module.

    Args:
        entry: The part ``source`` of a catalog entry.
        folder: Of the catalog file; relative paths start there.

    Raises:
        RowError: Names file, entry and key.
    """
    source = _source_of(entry)
    is_needed = {
        key.name: key.default is MISSING and key.default_factory is MISSING
        for key in fields(source)
    }
    entry.check_keys({"kind", *(name for name in is_needed if is_needed[name])}, set(is_needed))
    values: dict[str, Any] = {}
    for name in set(is_needed) & set(entry.content):
        if name in SPLIT_KEYS:
            values[name] = _by_split(entry.part(name), folder, is_path=name == "paths")
        elif name == "options":
            values[name] = entry.part(name).values()
        else:
            values[name] = _address(entry.text(name, is_needed=is_needed[name]), folder)
    try:
        return source(**values)
    except RowError as error:
        raise RowError(f"{entry.where}: {error}") from None


def _source_of(entry: Entry) -> type[Source]:
    """Find the class of a source; only an unknown kind imports all sources, to list them."""
    names = [module.name for module in pkgutil.iter_modules(sources.__path__)]
    kind = entry.content.get("kind")
    found = _source_in(kind) if kind in names else None
    if found is None:
        entry.choice("kind", [name for name in names if _source_in(name) is not None])
    return found  # type: ignore[return-value]  # ``choice`` has raised where it is None


def _source_in(name: str) -> type[Source] | None:
    """Return the source of a module of ``data/sources``; None for a module without one."""
    return getattr(importlib.import_module(f"{sources.__name__}.{name}"), "SOURCE", None)


def _by_split(entry: Entry, folder: Path, *, is_path: bool) -> dict[str, Any]:
    for split in entry.content:
        if split not in (*SPLITS, "all"):
            raise RowError(
                f"{entry.where}: there is no split {split!r}: {nearest(split, (*SPLITS, 'all'))}"
            )
    given = set(entry.content)
    if given != {"all"} and ("all" in given or not {"train", "test"} <= given):
        found = ", ".join(entry.content) or "none"
        raise RowError(f"{entry.where}: expected `all` alone, or `train` and `test`, got {found}")
    if is_path:
        return {split: _located(value, folder) for split, value in entry.content.items()}
    return {split: entry.text(split) for split in entry.content}


def _located(value: Any, folder: Path) -> Any:
    """Resolve the paths of an entry against the folder of the catalog."""
    if isinstance(value, dict):
        return {side: _located(paths, folder) for side, paths in value.items()}
    if isinstance(value, list):
        return [_located(path, folder) for path in value]
    return absolute_path(value, folder) if isinstance(value, str) else value


def absolute_path(text: str, folder: Path) -> str:
    """Resolve a path against the folder of the catalog file; an address stays as it is."""
    is_address = not text.strip() or "://" in text or text.startswith(("${", "~/"))
    return text if is_address else str(folder / text)


def _address(text: str, folder: Path) -> str:
    """Resolve a folder or the path of an SQLite file against the folder of the catalog file."""
    if text.startswith(("./", "../")):
        return str(folder.resolve() / text)
    return SQLITE.sub(lambda found: f"{found[1]}{folder.resolve() / found[2]}", text)

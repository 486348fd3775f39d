"""The part of a catalog entry that says where rows come from, with its paths."""

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

SQLITE = re.compile(r"^(sqlite(?:\+\w+)?:///)([^/:$?].*)$")  # with a relative path
SPLIT_KEYS = ("members", "paths")  # of sources: split (or ``all``) to what lies there


def read_source(entry: Entry, folder: Path) -> Any:
    """Make the source of an entry; its module is found by its kind.

    Raises:
        RowError: Names file, entry and key.
    """
    source = _source_of(entry)
    declared = {
        f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(source)
    }
    entry.check_keys(
        {name for name, is_needed in declared.items() if is_needed} | {"kind"}, set(declared)
    )
    values: dict[str, Any] = {}
    for name in set(declared) & set(entry.content):
        if name in SPLIT_KEYS:
            values[name] = _by_split(entry.part(name), folder, is_path=name == "paths")
        elif name == "options":
            values[name] = entry.part(name).values()
        else:
            values[name] = _address(entry.text(name, is_needed=declared[name]), folder)
    try:
        return source(**values)
    except RowError as error:
        raise RowError(f"{entry.where}: {error}") from None


def _source_of(entry: Entry) -> type[Any]:
    """The class of a source; only an unknown kind costs the import of all sources, to list them."""
    names = [module.name for module in pkgutil.iter_modules(sources.__path__)]
    kind = entry.content.get("kind")
    found = _source_in(kind) if kind in names else None
    if found is None:
        entry.choice("kind", [name for name in names if _source_in(name) is not None])
    return found  # type: ignore[return-value]  # ``choice`` has raised where it is None


def _source_in(name: str) -> type[Any] | None:
    """The source that a module of ``data/sources`` holds; none if it only helps the others."""
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
    """Paths as they stand in an entry, from the folder of the catalog."""
    if isinstance(value, dict):
        return {side: _located(paths, folder) for side, paths in value.items()}
    if isinstance(value, list):
        return [_located(path, folder) for path in value]
    return absolute_path(value, folder) if isinstance(value, str) else value


def absolute_path(text: str, folder: Path) -> str:
    """A path of a catalog file, from the folder of the file; an address stays as it is."""
    return (
        text
        if not text.strip() or "://" in text or text.startswith(("${", "~/"))
        else str(folder / text)
    )


def _address(text: str, folder: Path) -> str:
    """A folder or the address of an SQLite file, from the folder of the catalog file as every path is."""
    if text.startswith(("./", "../")):
        return str(folder.resolve() / text)
    return SQLITE.sub(lambda found: f"{found[1]}{folder.resolve() / found[2]}", text)

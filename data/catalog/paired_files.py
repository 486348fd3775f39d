"""Parallel text in a catalog entry: a file of source and one of target for each split."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data.catalog.yaml_entries import Entry
from data.errors import RowError
from data.formats.base import all_formats
from data.sources.base import Source
from data.sources.files import SIDES
from data.sources.located_files import WILD


def with_sides(entry: Entry, source: Source, format_options: Mapping[str, Any] | None) -> Source:
    """Split the paths of parallel text into two sides; a list of two paths is source and target.

    Raises:
        RowError: If a split lacks the two sides that its format needs, or has
            two sides where its format needs one.
    """
    num_streams = all_formats()[format_options["kind"]].num_streams if format_options else 1
    is_pair = num_streams == len(SIDES)
    paths = getattr(source, "paths", None)
    if is_pair and paths is None:
        raise RowError(
            f"{entry.where}, format: parallel text lies in two files, "
            "which only a source of kind files gives"
        )
    sides = {
        split: _sides(f"{entry.where}, source, paths, {split}", given, is_pair)
        for split, given in (paths or {}).items()
    }
    if not is_pair:
        return source
    changed: dict[str, Any] = {"paths": sides}
    return replace(source, **changed)


def _sides(where: str, given: Any, is_pair: bool) -> Any:
    if isinstance(given, dict):
        if not is_pair:
            raise RowError(
                f"{where}: source and target are for format parallel, "
                "expected a path or a list of paths"
            )
        return given
    if not is_pair:
        return given
    is_clear = (
        isinstance(given, list)
        and len(given) == len(SIDES)
        and not any(WILD.search(str(path)) for path in given)
    )
    if not is_clear:
        raise RowError(
            f"{where}: format parallel needs a file for each side, got {given!r}: write "
            "{source: a.en.gz, target: a.fr.gz}, or a list of two files, source first"
        )
    return dict(zip(SIDES, ([path] for path in given), strict=True))

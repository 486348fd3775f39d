"""What can be retrained: light enough to answer at once."""

from pathlib import Path
from typing import Any

from data.catalog import find_dataset, read_catalog
from tasks.catalogs import catalog_paths

SHOWN = ("problem", "language", "about", "licence", "origin", "tokenizer")


def list_datasets(catalog: Path | None = None) -> list[dict[str, Any]]:
    """Every dataset of the catalogs: name, problem, language, licence, origin."""
    entries = read_catalog(*catalog_paths(str(catalog) if catalog else None))
    return [{"dataset": name, **{key: getattr(entry, key) for key in SHOWN}} for name, entry in entries.items()]


def check_datasets(names: list[str], catalog: Path | None = None) -> None:
    """Refuse a name that the catalogs do not have.

    Raises:
        RowError: With the nearest name.
    """
    for name in names:
        find_dataset(name, *catalog_paths(str(catalog) if catalog else None))

"""What can be retrained: light enough to answer at once."""

from pathlib import Path
from typing import Any

from data.catalog import CATALOG, find_dataset, read_catalog

SHOWN = ("problem", "language", "about", "licence", "origin", "tokenizer")


def list_datasets(catalog: Path | None = None) -> list[dict[str, Any]]:
    """Every dataset of a catalog: name, problem, language, licence, origin."""
    entries = read_catalog(catalog or CATALOG)
    return [{"dataset": name, **{key: getattr(entry, key) for key in SHOWN}} for name, entry in entries.items()]


def check_datasets(names: list[str], catalog: Path | None = None) -> None:
    """Refuse a name that the catalog does not have.

    Raises:
        RowError: With the nearest name.
    """
    for name in names:
        find_dataset(name, catalog or CATALOG)

"""The datasets of the catalogs; light enough to respond at once."""

from dataclasses import asdict, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from data.catalog.catalog import Dataset, find_dataset, read_catalog
from data.catalog.yaml_entries import read_entries
from data.text.settings import default_settings
from tasks.ingestion.catalogs import catalog_paths

SHOWN = ("problem", "language", "about", "licence", "origin", "tokenizer")
NOT_SHOWN = ("name", "entry", "file", "checks")


def list_datasets(catalog: str | None = None) -> list[dict[str, Any]]:
    """List every dataset of the catalogs: name, problem, language, licence, origin."""
    entries = read_catalog(*catalog_paths(catalog))
    return [
        {"dataset": name, **{key: getattr(entry, key) for key in SHOWN}}
        for name, entry in entries.items()
    ]


def describe_dataset(name: str, catalog: str | None = None) -> dict[str, Any]:
    """Describe one dataset in full, with the defaults of omitted keys.

    Raises:
        RowError: If there is no such dataset; with the nearest name.
    """
    entry = find_dataset(name, *catalog_paths(catalog))
    shown = {f.name: getattr(entry, f.name) for f in fields(Dataset) if f.name not in NOT_SHOWN}
    described = {
        "dataset": name,
        "catalog": str(entry.file),
        **shown,
        "source": entry.entry["source"],
        "checks": asdict(entry.rules),
    }
    # Imported here: torch takes a second to import, and only this function needs a problem.
    problem = import_module("rnn_models.problem").find_problem(entry.problem)
    is_text = problem.sides(entry.roles)[-1:] == ("text",)
    return described | {"tokens": asdict(default_settings(entry.tokenizer, is_generated=is_text))}


def check_datasets(names: list[str], catalog: str | None = None) -> None:
    """Check that the catalogs have all names.

    Raises:
        RowError: If one is missing; with the nearest name.
    """
    for name in names:
        find_dataset(name, *catalog_paths(catalog))


def names_in(catalog: Path) -> list[str]:
    """Names of the datasets of one catalog file, in its order."""
    return list(read_entries([catalog]))

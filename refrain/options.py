"""Options that several commands have."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

Catalog = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        help="Catalog file of your own, beside data/catalog.yaml; may be repeated.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="DATASET", help="Name from the catalog.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="STAGE.NAME=VALUE", help="Change a setting; may be repeated."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Training rows, at most (tokens.limit).")
]


def changed(assignments: list[str] | None, limit: int | None) -> list[str]:
    """The settings that a command line changes."""
    return [*(assignments or []), *([f"tokens.limit={limit}"] if limit else [])]


def joined(catalogs: list[Path] | None) -> str | None:
    """Catalog files as a flow's parameter names them: whole paths, with ``:`` between."""
    return os.pathsep.join(str(path.resolve()) for path in catalogs) if catalogs else None


def check_names(names: list[str], catalogs: list[Path] | None) -> None:
    """Refuse a dataset that no catalog has, before anything heavy is imported.

    Raises:
        ValueError: With the nearest name.
    """
    from tasks.ingestion.dataset_list import check_datasets

    check_datasets(names, joined(catalogs))


def print_json(found: Any) -> None:
    """What ``--json`` asks for."""
    print(json.dumps(found, indent=2, ensure_ascii=False))

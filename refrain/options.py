"""Options and arguments that several commands share."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from refrain.completion import dataset_names

Catalog = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        help="Catalog file to read in addition to data/catalog.yaml; repeatable.",
    ),
]
Notices = Annotated[
    bool, typer.Option("--notices", help="Send notices, as scheduled runs do (refrain notices).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Name from the catalog.", autocompletion=dataset_names),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="STAGE.NAME=VALUE", help="Change a setting; repeatable."),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Largest number of training rows (tokens.limit)."),
]
RequireChampion = Annotated[
    bool,
    typer.Option(
        "--require-champion", help="End with status 4 if a dataset has no champion at the end."
    ),
]


def changed(assignments: list[str] | None, limit: int | None) -> list[str]:
    """List the settings that a command line changes."""
    return [*(assignments or []), *([f"tokens.limit={limit}"] if limit else [])]


def joined(catalogs: list[Path] | None) -> str | None:
    """Join catalog files as a flow's parameter: absolute paths, separated by ``:``."""
    return os.pathsep.join(str(path.resolve()) for path in catalogs) if catalogs else None


def check_names(names: list[str], catalogs: list[Path] | None) -> None:
    """Check that the catalogs have all datasets, before anything heavy is imported.

    Raises:
        ValueError: If one is missing; with the nearest name.
    """
    from tasks.ingestion.dataset_list import check_datasets

    check_datasets(names, joined(catalogs))


def print_json(found: Any) -> None:
    """Print the output of ``--json``."""
    print(json.dumps(found, indent=2, ensure_ascii=False))

"""Options that several commands have."""

import os
from pathlib import Path
from typing import Annotated

import typer

Catalog = Annotated[
    list[Path] | None,
    typer.Option("--catalog", metavar="FILE", help="Catalog file of your own, beside data/catalog.yaml; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="DATASET", help="Name from the catalog.")]


def joined(catalogs: list[Path] | None) -> str | None:
    """Catalog files as a flow's parameter names them: whole paths, with ``:`` between."""
    return os.pathsep.join(str(path.resolve()) for path in catalogs) if catalogs else None

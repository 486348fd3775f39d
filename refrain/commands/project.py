"""The command ``refrain init``: a project of the user's own, with a dataset and a schedule."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from refrain.errors import plain_errors
from tasks.store.installation import PACKAGE

TEMPLATE = Path(__file__).resolve().parents[1] / "project"
RENAMED = {"gitignore": ".gitignore"}  # package data is found by a glob, which skips dots

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="Folder to make.")],
) -> None:
    """Make a project: a catalog with one dataset and its rows, a nightly schedule, a README."""
    with plain_errors():
        make_project(folder)
    print(f"Made {folder}: catalog.yaml, reviews.csv, prefect.yaml, README.md\n")
    print(f"  cd {folder}")
    print("  refrain run   # train, evaluate, promote")
    print("  refrain up    # dashboards and schedules")


def project_datasets() -> list[str]:
    """Datasets of the project's catalog; none outside of a project."""
    from tasks.ingestion.catalogs import project_catalog
    from tasks.ingestion.dataset_list import names_in

    return [name for path in project_catalog() for name in names_in(path)]


def make_project(folder: Path) -> None:
    """Write the files of a project.

    Raises:
        FileExistsError: If the folder has files already; none of them is changed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    name = folder.resolve().name
    for path in sorted(TEMPLATE.iterdir()):
        target = folder / RENAMED.get(path.name, path.name)
        if path.suffix == ".csv":
            shutil.copyfile(path, target)
        else:
            text = path.read_text(encoding="utf-8")
            text = text.replace("{name}", name).replace("{flows}", f"{PACKAGE}flows.")
            target.write_text(text, encoding="utf-8")

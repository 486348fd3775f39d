"""Catalog entries, checked against the problems they pose."""

from data.catalog.catalog import Dataset, find_dataset
from data.errors import RowError
from data.rows.check_settings import Shape
from rnn_models.problem import find_problem
from tasks.ingestion.catalogs import catalog_paths


def checked_entry(dataset: str, catalog: str | None) -> Dataset:
    """Find a dataset, and check that its problem exists and reads its columns.

    Raises:
        ValueError: If there is no such dataset or problem, or the columns differ.
    """
    entry = find_dataset(dataset, *catalog_paths(catalog))
    try:
        problem = find_problem(entry.problem)
    except ValueError as error:
        raise RowError(f"{entry.file}, entry {dataset}, problem: {error}") from error
    if not problem.sides(entry.roles):
        wanted = " and ".join(problem.rows)
        raise RowError(
            f"{entry.file}, entry {dataset}, columns: {problem.name} reads {wanted}, "
            f"got {' and '.join(entry.roles)}"
        )
    return entry


def sides_of(entry: Dataset) -> Shape:
    """Return the columns that the problem of an entry reads, source before target."""
    return find_problem(entry.problem).sides(entry.roles)


def language_of(dataset: str, catalog: str | None) -> str:
    """Return the language of a dataset's entry, empty if no catalog has the dataset."""
    try:
        return find_dataset(dataset, *catalog_paths(catalog)).language
    except RowError:
        return ""

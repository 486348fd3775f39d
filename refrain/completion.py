"""Names that the shell completes: datasets of the catalogs, and registered models.

Each command imports this module, so it imports others only when a name is completed.
"""

from collections.abc import Iterator


def dataset_names(incomplete: str) -> Iterator[str]:
    """Complete the name of a dataset; a catalog that cannot be read has none."""
    from tasks.ingestion.catalogs import catalog_paths
    from tasks.ingestion.dataset_list import names_in

    try:
        found = [name for path in catalog_paths(None) for name in names_in(path)]
    except (ValueError, OSError):
        return
    yield from (name for name in dict.fromkeys(found) if name.startswith(incomplete))


def model_names(incomplete: str) -> Iterator[str]:
    """Complete the name of a model in the store; another MLflow would take too long."""
    from tasks.registry.registry_tables import stored_models

    try:
        found = [str(model["model"]) for model in stored_models() or []]
    except OSError:
        return
    yield from (name for name in found if name.startswith(incomplete))

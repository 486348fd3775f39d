"""What a source may use: downloads, secrets, and the paths and hosts that the operator permits."""

from data.catalog.catalog import CATALOG, Dataset
from data.sources.base import Access
from data.sources.permissions import ALL
from tasks.ingestion.catalogs import own_catalogs, permissions
from tasks.store.home import home
from tasks.store.secrets import Secrets


def source_access(entry: Dataset | None = None) -> Access:
    """Return the access of a catalog entry, or of files that a parameter names.

    The catalogs that belong to Refrain, to the project or to REFRAIN_CATALOG are the operator's
    own, so their entries may name everything.
    """
    secrets = Secrets()
    own = {path.resolve() for path in (CATALOG, *own_catalogs())}
    is_own = entry is not None and entry.file.resolve() in own
    permitted = ALL if is_own else permissions()
    if entry is not None and entry.tokenizer.endswith(".json"):
        permitted.check_path(entry.tokenizer, f"{entry.file}, entry {entry.name}, tokenizer")
    return Access(home() / "downloads", secrets.reveal, secrets.hide, permitted)

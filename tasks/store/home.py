"""The folder of all of Refrain's data."""

import os
from pathlib import Path

from tasks.store.installation import project


def home() -> Path:
    """Return the folder of all data: ``REFRAIN_HOME``, else ``.refrain`` in the project."""
    return Path(os.environ.get("REFRAIN_HOME") or project() / ".refrain").resolve()

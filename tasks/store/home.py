"""The folder of all of Refrain's data."""

import os
from pathlib import Path

from tasks.store.code import ROOT


def home() -> Path:
    """Return the folder of all data: ``REFRAIN_HOME``, else ``.refrain`` in the repository."""
    return Path(os.environ.get("REFRAIN_HOME") or ROOT / ".refrain").resolve()

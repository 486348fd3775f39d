"""The folder that holds everything Refrain keeps."""

import os
from pathlib import Path

from tasks.store.installation import project


def home() -> Path:
    """The folder that holds everything Refrain keeps: ``REFRAIN_HOME``, else ``.refrain`` in the project."""
    return Path(os.environ.get("REFRAIN_HOME") or project() / ".refrain").resolve()

"""The folder that holds everything Refrain keeps."""

import os
from pathlib import Path

from tasks.store.code import ROOT


def home() -> Path:
    """The folder that holds everything Refrain keeps: ``REFRAIN_HOME``, else ``.refrain`` in the repo."""
    return Path(os.environ.get("REFRAIN_HOME") or ROOT / ".refrain").resolve()

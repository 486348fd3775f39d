"""Damaged files and folders of the store: set aside, so that they are made again."""

import logging
import os
import time
from pathlib import Path

from tasks.store.home import home

log = logging.getLogger(__name__)
FOLDER = "damaged"


def set_aside(path: Path, fault: str) -> Path | None:
    """Move a damaged file or folder to ``damaged/`` in the store, and log it.

    Returns:
        Its new place; None if another process has moved it already.
    """
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    kind = path.parent.name
    place = home() / FOLDER / f"{kind}-{path.name}-{now}-{os.getpid()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(place)
    except FileNotFoundError:
        return None
    log.warning("damaged: %s. It is set aside as %s", fault, place)
    return place

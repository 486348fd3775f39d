"""Memory of the main processor that this process uses."""

import os
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/statm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of getrusage, by platform


def resident_bytes() -> int:
    """Return the memory that this process has now, without what is swapped out.

    Where the kernel shows no files of processes, it is the most that it has had so far.
    """
    if STATUS.exists():
        return int(STATUS.read_text().split()[1]) * PAGE_BYTES
    return peak_bytes()


def peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT

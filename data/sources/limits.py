"""Bounds on what a source unpacks and reads, against files that are small and unpack to much."""

import os
from collections.abc import Callable

from data.errors import RowError

RATIO = "REFRAIN_MAX_UNPACK_RATIO"
UNPACKED = "REFRAIN_MAX_UNPACKED_GB"
MEMBERS = "REFRAIN_MAX_MEMBERS"
ROW = "REFRAIN_MAX_ROW_MB"
# Text seldom packs to less than a fiftieth; what was made to fill a disk, to a thousandth.
DEFAULTS = {RATIO: 200.0, UNPACKED: 200.0, MEMBERS: 100_000.0, ROW: 256.0}
FREE_BYTES = 64 << 20  # so much may be unpacked at any ratio: a short file may be all blanks


def limit(name: str) -> float:
    """Return a limit: that of the environment, else the default.

    Raises:
        RowError: If the variable is no number above 0.
    """
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else DEFAULTS[name]
    except ValueError:
        value = 0.0
    if not value > 0:
        raise RowError(f"{name} must be a number above 0, got {text!r}")
    return value


class UnpackedBytes:
    """A count of the bytes that a packed file unpacks to, with its bounds."""

    def __init__(self, name: str, num_packed: Callable[[], int]) -> None:
        """Count for a file; ``num_packed`` tells how many of its bytes were read."""
        self.name = name
        self.num_packed = num_packed
        self.ratio = limit(RATIO)
        self.most = limit(UNPACKED) * 1e9
        self.num = 0

    def add(self, num: int) -> None:
        """Count some bytes.

        Raises:
            RowError: If they are too many, alone or for the size of the file.
        """
        self.num += num
        if self.num > self.most:
            raise RowError(
                f"{self.name} unpacks to more than {self.most / 1e9:g} GB. If it is right, set "
                f"{UNPACKED} to more"
            )
        if self.num > FREE_BYTES and self.num > self.ratio * self.num_packed():
            raise RowError(
                f"{self.name} unpacks to more than {self.ratio:g} times its size. If it is right, "
                f"set {RATIO} to more"
            )


def check_members(num: int, name: str) -> None:
    """Check the number of members of an archive.

    Raises:
        RowError: If there are too many.
    """
    if num > limit(MEMBERS):
        raise RowError(
            f"{name} has more than {limit(MEMBERS):,.0f} members. If it is right, "
            f"set {MEMBERS} to more"
        )


def longest_row() -> int:
    """Return the most bytes of a row, which must fit into memory."""
    return int(limit(ROW) * 2**20)

"""A finding of a check: how bad it is, what it is, and what to do."""

from dataclasses import dataclass

ERROR = "error"  # something does not work now, or does the wrong thing
WARNING = "warning"  # something was switched off, or will not work soon


@dataclass(frozen=True)
class Finding:
    """What a check found; ``level`` is ``error`` or ``warning``."""

    level: str
    text: str
    remedy: str

"""Errors about rows, and the sentence that helps a person on."""

from collections.abc import Iterable
from difflib import get_close_matches


class RowError(ValueError):
    """Rows, a file or a catalog entry are not as they have to be."""


def nearest(name: object, names: Iterable[object]) -> str:
    """Say what was expected in place of ``name``, for the end of an error message."""
    known = sorted(map(str, names))
    close = get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(known)}"

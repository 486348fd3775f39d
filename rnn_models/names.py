"""Suggestions for a name that does not exist."""

from difflib import get_close_matches


def nearest(name: str, names: list[str]) -> str:
    """Suggest what was meant by ``name``, for the end of an error message."""
    # The same lines are in data/errors.py, since neither package may import the other.
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(sorted(names))}"

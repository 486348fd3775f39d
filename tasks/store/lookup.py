"""Look for what was made before, without making anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_finding: ContextVar[bool] = ContextVar("is_finding", default=False)


class WorkToDoError(Exception):
    """Something is not there and would have to be made."""


@contextmanager
def only_finding() -> Iterator[None]:
    """Let whatever would begin to make an artifact raise ``WorkToDoError`` instead."""
    token = _is_finding.set(True)
    try:
        yield
    finally:
        _is_finding.reset(token)


def begin_work() -> None:
    """Stand where the making of an artifact begins.

    Raises:
        WorkToDoError: Within ``only_finding``.
    """
    if _is_finding.get():
        raise WorkToDoError

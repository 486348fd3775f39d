"""Look up finished artifacts without making any."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_finding: ContextVar[bool] = ContextVar("is_finding", default=False)


class WorkToDoError(Exception):
    """An artifact is missing and would have to be made."""


@contextmanager
def only_finding() -> Iterator[None]:
    """Raise ``WorkToDoError`` wherever a task would begin to make an artifact."""
    token = _is_finding.set(True)
    try:
        yield
    finally:
        _is_finding.reset(token)


def is_only_finding() -> bool:
    """Tell whether artifacts are looked up only."""
    return _is_finding.get()


def begin_work() -> None:
    """Mark the point where the making of an artifact begins.

    Raises:
        WorkToDoError: Within ``only_finding``.
    """
    if is_only_finding():
        raise WorkToDoError

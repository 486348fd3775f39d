"""A request to stop: a training saves its state at its next step and ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_requested = threading.Event()
_handlers: list[Callable[[int, object], None]] = []


def handle_with(handler: Callable[[int, object], None]) -> None:
    """Name the handler of SIGTERM that holds while a training runs."""
    _handlers.append(handler)


@contextmanager
def listening() -> Iterator[None]:
    """Let the named handler have SIGTERM, which Prefect takes for the length of a flow run and answers by an exception.

    Without a named handler, as in a worker's flow run, Prefect's stays.
    """
    if not _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _handlers[-1])
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def request() -> None:
    """Ask a running training to save and to end."""
    _requested.set()


def is_requested() -> bool:
    """Tell whether somebody asked, and take the time that saving needs."""
    if _requested.is_set():
        signal.setitimer(
            signal.ITIMER_REAL, 0
        )  # of `refrain/interruption.py`, for work that does not look here
    return _requested.is_set()

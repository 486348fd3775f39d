"""Requests to stop: a training saves its state at its next step and ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_requested = threading.Event()
_handlers: list[Callable[[int, object], None]] = []


def handle_with(handler: Callable[[int, object], None]) -> None:
    """Register the handler of SIGTERM for the time a training runs."""
    _handlers.append(handler)


@contextmanager
def listening() -> Iterator[None]:
    """Use the registered handler of SIGTERM instead of Prefect's, which raises an exception.

    Without a registered handler, as in a worker's flow run, Prefect's stays.
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
    """Request that a running training save its state and end."""
    _requested.set()


def is_requested() -> bool:
    """Tell whether a stop was requested; if so, cancel the timer, as saving takes time."""
    if _requested.is_set():
        # The timer of `refrain/interruption.py` interrupts work that does not check here.
        signal.setitimer(signal.ITIMER_REAL, 0)
    return _requested.is_set()

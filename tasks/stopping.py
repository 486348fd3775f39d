"""Requests to stop: a training saves its state at its next step and ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_requested = threading.Event()
_handlers: list[Callable[[int, object], None]] = []
_listening: list[str] = []
_saved: list[str] = []


def handle_with(handler: Callable[[int, object], None]) -> None:
    """Register the handler of SIGTERM for the time a training runs."""
    _handlers.append(handler)


@contextmanager
def listening(what: str) -> Iterator[None]:
    """Let SIGTERM request a stop, so that a training saves, instead of ending it at once.

    The handler is the registered one, else, as in a worker's flow run, one that
    only requests it. Once the training has saved, the handler of before gets the
    signal: Prefect's reports the end of the flow run.

    Args:
        what: What is saved on a request, for ``describe_saved``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    own = _handlers[-1] if _handlers else _request_by_signal
    signal.signal(signal.SIGTERM, own)
    _listening.append(what)
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, before)
        if own is _request_by_signal and _requested.is_set() and callable(before):
            before(signal.SIGTERM, None)
        raise
    finally:
        _listening.pop()
        signal.signal(signal.SIGTERM, before)


def _request_by_signal(number: int, frame: object) -> None:
    request()


def is_listening() -> bool:
    """Tell whether a training runs that saves on a request."""
    return bool(_listening)


def request() -> None:
    """Request that a running training save its state and end."""
    _requested.set()


def is_requested() -> bool:
    """Tell whether a stop was requested; if so, cancel the timer, as saving takes time."""
    if _requested.is_set():
        # The timer of `refrain/interruption.py` interrupts work that does not check here.
        signal.setitimer(signal.ITIMER_REAL, 0)
    return _requested.is_set()


def note_saved(num_steps: int) -> None:
    """Note what the running training has saved."""
    if _listening:
        _saved[:] = [f"the training of {_listening[-1]} is saved at step {num_steps:,}"]


def forget_saved() -> None:
    """Forget what was saved: the training is done, and its checkpoint holds everything."""
    _saved.clear()


def describe_saved() -> str:
    """Describe what a stop has kept, in a sentence without a capital."""
    return "; ".join([*_saved, "finished stages are kept"])

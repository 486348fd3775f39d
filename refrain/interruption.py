"""Ctrl-C and SIGTERM in a terminal: save, print one line, end within seconds.

The first signal asks a running training to save its state at the next step.
Work that does not look for such a request is interrupted after a second. A
second signal interrupts at once, and whatever still hangs after a few seconds
is ended.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from tasks import stopping

PATIENCE_SECONDS = 1.0  # for a training to see the request
LAST_SECONDS = 6.0  # for whatever still hangs
DRAIN_SECONDS = 0.7  # for Prefect's threads to send their last lines
_signals: list[int] = []
_last_acts: list[Callable[[], None]] = []


def exit_status() -> int:
    """130 after Ctrl-C, 143 after SIGTERM, as shells count."""
    return 128 + (_signals[0] if _signals else signal.SIGINT)


def before_the_end(act: Callable[[], None]) -> None:
    """Do something even if the process has to be ended by force."""
    _last_acts.append(act)


def is_interruption(error: BaseException) -> bool:
    """Tell whether an exception means that somebody ended the command; Prefect has one of its own for SIGTERM."""
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "TerminationSignal"


def was_interrupted() -> bool:
    """Tell whether a signal came."""
    return bool(_signals)


def disarm() -> None:
    """Let the timer of a signal interrupt nothing any more: the command has ended by itself."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def stop_watching() -> None:
    """End at once on a signal from now on: the command is done, and only threads are left to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _handle:
            signal.signal(number, lambda found, frame: os._exit(128 + found))


def end_interrupted() -> NoReturn:
    """Say what is kept, and end with the status of the signal."""
    disarm()
    print(
        "refrain: stopped. Finished stages are kept; the same command goes on from there.",
        file=sys.stderr,
        flush=True,
    )
    _end_after(DRAIN_SECONDS)
    raise SystemExit(exit_status())


def watch_signals() -> None:
    """Handle signals; one that the caller ignores, as a script does for programs in the background, stays ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    stopping.handle_with(_handle)


def _handle(number: int, frame: object) -> None:
    _signals.append(number)
    if len(_signals) > 1:
        raise KeyboardInterrupt
    stopping.request()
    print("\nStopping ...", file=sys.stderr, flush=True)
    _end_after(LAST_SECONDS)
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)


def _end_after(seconds: float) -> None:
    watchdog = threading.Timer(seconds, _end)
    watchdog.daemon = True
    watchdog.start()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end() -> None:

    for act in _last_acts:
        act()
    os._exit(exit_status())

"""Ctrl-C and SIGTERM in a terminal: save, print one line, end within seconds.

The first signal requests that a running training save its state at the next
step. Work that does not check for the request is interrupted after a second. A
later second signal interrupts at once. A process that still hangs after a few seconds
is ended.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from tasks import stopping

PATIENCE_SECONDS = 1.0  # before work that does not check for the request is interrupted
SAVING_SECONDS = 4.0  # for a training to end its step and save
REPEAT_SECONDS = 1.0  # make and a terminal send the same signal twice
LAST_SECONDS = 6.0  # before a process that hangs is ended
AGAIN_SECONDS = 0.05  # before an interruption that Python swallowed is repeated
FAILED_SECONDS = 20.0  # for all threads of a command that failed
DRAIN_SECONDS = 0.7  # for Prefect's threads to send their last lines
STDERR = 2
_signals: list[int] = []
_arrivals: list[float] = []
_last_acts: list[Callable[[], None]] = []


def exit_status() -> int:
    """Return the status of shells: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_signals[0] if _signals else signal.SIGINT)


def before_the_end(act: Callable[[], None]) -> None:
    """Register a function that also runs if the process is ended by force."""
    _last_acts.append(act)


def is_interruption(error: BaseException) -> bool:
    """Tell whether an exception is an interruption; Prefect raises its own for SIGTERM."""
    return isinstance(error, KeyboardInterrupt) or type(error).__name__ == "TerminationSignal"


def was_interrupted() -> bool:
    """Tell whether a signal arrived."""
    return bool(_signals)


def disarm() -> None:
    """Cancel the timer of a signal: the command has ended by itself.

    A timer that has just run out no longer interrupts either: the command is about to exit, and
    an interruption then would replace its status.
    """
    with contextlib.suppress(KeyboardInterrupt):  # of a timer that has run out before this line
        signal.setitimer(signal.ITIMER_REAL, 0)
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _ignore)


def stop_watching(status: str | int | None) -> None:
    """End at once on a signal from now on: the command is done, only threads remain.

    Args:
        status: The exit status. A command that failed waits for threads for a limited time:
            Prefect's call a server that is away again and again, for minutes.
    """
    if isinstance(status, int) and status:
        end_within(FAILED_SECONDS, status)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _handle:
            signal.signal(number, lambda found, frame: os._exit(128 + found))


def end_interrupted(error: BaseException) -> NoReturn:
    """Print what is kept, and end with the status of the signal."""
    disarm()
    if not _signals and type(error).__name__ == "TerminationSignal":
        _signals.append(signal.SIGTERM)
    kept = stopping.describe_saved()
    print(
        f"refrain: stopped. {kept[0].upper()}{kept[1:]}; the same command continues from there.",
        file=sys.stderr,
        flush=True,
    )
    end_within(DRAIN_SECONDS, exit_status())
    raise SystemExit(exit_status())


def watch_signals() -> None:
    """Handle signals, except those the caller ignores, as a script does for background jobs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    sys.unraisablehook = _repeat
    stopping.handle_with(_handle)


def _handle(number: int, frame: object) -> None:
    now = time.monotonic()
    if _arrivals and now - _arrivals[-1] < REPEAT_SECONDS:
        return
    _arrivals.append(now)
    _signals.append(number)
    if len(_signals) > 1:
        raise KeyboardInterrupt
    stopping.request()
    with contextlib.suppress(OSError):  # the terminal may be gone
        # Not by print: the signal may have come while this thread was printing.
        os.write(STDERR, b"\nStopping ...\n")
    end_within(LAST_SECONDS, exit_status())
    signal.signal(signal.SIGALRM, _interrupt)
    patience = SAVING_SECONDS if stopping.is_listening() else PATIENCE_SECONDS
    signal.setitimer(signal.ITIMER_REAL, patience)


def end_within(seconds: float, status: int) -> None:
    """End the process by force after some seconds, unless it has ended by then."""
    watchdog = threading.Timer(seconds, _end, (status,))
    watchdog.daemon = True
    watchdog.start()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _repeat(swallowed: "sys.UnraisableHookArgs") -> None:
    """Interrupt again after an interruption that Python swallowed, as in a weak reference's end."""
    if _signals and swallowed.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(swallowed)


def _ignore(number: int, frame: object) -> None:
    """Do nothing."""


def _end(status: int) -> None:
    for act in _last_acts:
        act()
    os._exit(status)

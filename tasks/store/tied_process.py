"""A program that ends with the process that started it, even when that one is killed.

``tied`` makes the command; run as a script, this file asks the kernel for a
signal at the death of its parent and becomes the program. It imports little, as
it runs before each of them.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 1.0


def tied(command: Sequence[str], number: int = signal.SIGTERM) -> list[str]:
    """Return the command of a program that gets a signal when this process dies.

    Where the kernel is not Linux, it is the command alone.
    """
    if sys.platform != "linux":
        return list(command)
    starter = [sys.executable, "-I", "-S", __file__]
    return [*starter, str(os.getpid()), str(int(number)), *command]


def end_with_parent() -> None:
    """Send this process SIGTERM when its parent dies, so that it saves and ends.

    A thread looks, as the kernel's own signal already comes when only the
    parent's thread that started this process ends.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _become(parent: int, number: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)  # it stays across exec
    if os.getppid() != parent:  # it died in between
        sys.exit(128 + number)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

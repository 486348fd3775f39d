"""A function run in a process of its own, with limits of time and memory, and what came of it."""

import logging
import multiprocessing
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from refrain.environment import prepare
from tasks.errors.known_errors import known_error

MEMORY_BYTES = 3 << 30  # beyond what the process has when it starts
# Children start from a process that has imported what takes long and opened nothing.
Fork = multiprocessing.get_context("forkserver")
Fork.set_forkserver_preload(["benchmarks.reliability.small_store"])


@dataclass(frozen=True)
class Ended:
    """How a process ended: with a result, an error message, or not in time.

    ``is_explained`` tells whether the command line would show the error as a
    message, not as a traceback.
    """

    result: Any = None
    error: str = ""
    is_explained: bool = True
    is_stuck: bool = False
    lines: list[str] = field(default_factory=list)  # warnings of the log


class Lines(logging.Handler):
    """Collect the warnings of a process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


class Running:
    """A process that runs a function."""

    def __init__(self, store: Path, function: Callable[..., Any], *args: Any) -> None:
        """Start a function of a module on a store."""
        self.ours, theirs = Fork.Pipe(duplex=False)
        self.process = Fork.Process(target=_run, args=(theirs, str(store), function, args))
        self.process.start()
        theirs.close()

    def ended(self, seconds: float) -> Ended:
        """Wait for the end, and end the process if it takes too long."""
        try:
            if self.ours.poll(seconds):
                return Ended(**self.ours.recv())
            return Ended(error=f"not finished in {seconds:.0f} s", is_stuck=True)
        except EOFError:
            return Ended(error="the process was killed", is_explained=False)
        finally:
            self.process.kill()
            self.process.join()


def _run(pipe: Connection, store: str, function: Callable[..., Any], args: Any) -> None:
    """Run the function, and send what came of it."""
    os.environ["REFRAIN_HOME"] = store
    prepare()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    handler = Lines()
    logging.getLogger().addHandler(handler)
    try:
        ended = Ended(result=function(*args), lines=handler.lines)
    except BaseException as error:
        message = known_error(error)
        shown = message or f"{type(error).__name__}: {error}"
        ended = Ended(error=shown, is_explained=message is not None, lines=handler.lines)
    pipe.send(vars(ended))

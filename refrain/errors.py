"""Errors as one message and exit status 1."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from refrain.interruption import end_interrupted, is_interruption, was_interrupted
from tasks.errors.known_errors import known_error

# User and password of an address, such as MLFLOW_TRACKING_URI; a reference is shown.
PASSWORD = re.compile(r"(\w://)(?![^/\s'\"@]*\$\{)[^/\s'\"@]*@")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error of the user into one message and exit status 1; raise any other error."""
    try:
        yield
    except BaseException as error:
        if is_interruption(error) or (was_interrupted() and not isinstance(error, SystemExit)):
            end_interrupted(error)  # an error caused by the signal
        message = known_error(error)
        if message is None:
            raise
        fail(message)


def fail(message: str) -> None:
    """Print an error message without passwords of addresses, and end with status 1."""
    shown = PASSWORD.sub(r"\1***@", message)
    typer.secho(f"refrain: {shown}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1)

"""Errors as one message and exit status 1."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from refrain.interruption import end_interrupted, is_interruption, was_interrupted
from refrain.machine_errors import machine_message
from refrain.server_errors import server_message
from tasks.store.home import home

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


def known_error(error: BaseException) -> str | None:
    """Return the message of an error that a user can cause, None for any other error."""
    message = machine_message(error) or server_message(error)
    if message:
        return message
    if isinstance(error, OSError):
        return _file_message(error)
    return str(error) if isinstance(error, ValueError | FloatingPointError) else None


def _file_message(error: OSError) -> str:
    """Describe an error of a file, and what to do."""
    if error.errno == errno.ENOENT and error.filename:
        return f"there is no file {error.filename}"
    if error.errno in (errno.EACCES, errno.ENOTDIR, errno.EEXIST) and error.filename:
        path = Path(os.fsdecode(error.filename)).absolute()
        advice = f"Refrain writes to {home()}; set REFRAIN_HOME to use another folder."
        is_ours = path.is_relative_to(home()) or home().is_relative_to(path)
        return (
            f"{error.strerror}: {path}. {advice if is_ours else 'Refrain must be able to read it.'}"
        )
    return str(error)


def fail(message: str) -> None:
    """Print an error message without passwords of addresses, and end with status 1."""
    shown = PASSWORD.sub(r"\1***@", message)
    typer.secho(f"refrain: {shown}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1)

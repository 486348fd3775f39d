"""What went wrong, in one message and exit status 1."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from refrain.interruption import end_interrupted, is_interruption, was_interrupted
from tasks.store.home import home


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a user can cause into one message and exit status 1; anything else is a fault of ours."""
    try:
        yield
    except BaseException as error:
        if is_interruption(error) or (was_interrupted() and not isinstance(error, SystemExit)):
            end_interrupted()  # what a signal broke is no error of its own
        message = known_error(error)
        if message is None:
            raise
        fail(message)


def known_error(error: BaseException) -> str | None:
    """The message of an error that a user can cause, None of any other."""
    if isinstance(error, OSError):
        return _said(error)
    if any(
        kind.__name__ == "MlflowException" for kind in type(error).__mro__
    ):  # by name: MLflow takes seconds to import
        return f"MLflow refused: {str(error).splitlines()[0]}"
    return str(error) if isinstance(error, ValueError | FloatingPointError) else None


def _said(error: OSError) -> str:
    """What is wrong with a file or a disk, and what to do."""
    if error.errno == errno.ENOSPC:
        return f"the disk is full: {home()} could not be written. Free some space and start again; nothing finished is lost."
    if error.errno == errno.ENOENT and error.filename:
        return f"there is no file {error.filename}"
    if error.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST) and error.filename:
        path = Path(os.fsdecode(error.filename)).absolute()
        ours = f"Refrain writes to {home()}; REFRAIN_HOME names another folder."
        is_ours = path.is_relative_to(home()) or home().is_relative_to(path)
        return (
            f"{error.strerror}: {path}. {ours if is_ours else 'Refrain must be able to read it.'}"
        )
    return str(error)


def fail(message: str) -> None:
    """Say what is wrong and end."""
    typer.secho(f"refrain: {message}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1)

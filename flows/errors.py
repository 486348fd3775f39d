"""What went wrong, in one message and exit status 1."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from flows.environment import home


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a user can cause into one message and exit status 1; anything else is a fault of ours."""
    try:
        yield
    except (ValueError, FloatingPointError) as error:
        fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            fail(f"the disk is full: {home()} could not be written. Free some space and start again; nothing finished is lost.")
        if error.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            fail(f"{error.strerror}: {error.filename}. Refrain writes to {home()}; REFRAIN_HOME names another folder.")
        fail(str(error))


def fail(message: str) -> None:
    """Say what is wrong and end."""
    typer.secho(f"refrain: {message}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1)

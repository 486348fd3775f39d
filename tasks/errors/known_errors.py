"""The message of an error that a person can cause or mend."""

import errno
import os
from pathlib import Path

from tasks.errors.machine_errors import machine_message
from tasks.errors.server_errors import server_message
from tasks.store.home import home


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

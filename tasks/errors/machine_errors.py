"""Messages of a machine that lacks disk or memory, whichever library raised the error."""

import errno
import re
from collections.abc import Iterator

from tasks.store.home import home

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of libraries that raise errors of their own: safetensors, SQLite, SQLAlchemy, MLflow, pyarrow.
FULL_TEXT = re.compile(
    r"No space left on device|disk is full|Disk quota exceeded|File too large", re.IGNORECASE
)
READ_ONLY_TEXT = re.compile(r"Read-only file system|readonly database", re.IGNORECASE)
MEMORY_TEXT = re.compile(
    r"not enough memory|can't allocate memory|Cannot allocate memory|out of memory"
    # A thread without room for its stack, and a library that is loaded.
    r"|can't start new thread|failed to map segment",
    re.IGNORECASE,
)
KEPT = "start again; finished stages are kept"


def machine_message(error: BaseException) -> str | None:
    """Say what the machine lacks, if that is the cause of an error or of one behind it."""
    for each in _chain(error):
        number = each.errno if isinstance(each, OSError) else None
        text = "" if isinstance(each, ValueError) else str(each)
        if number in FULL or FULL_TEXT.search(text):
            return f"the disk is full: {home()} could not be written. Free some space and {KEPT}."
        if number == errno.EROFS or READ_ONLY_TEXT.search(text):
            return (
                f"{home()} cannot be written, as its file system is read-only. Make it writable, "
                f"or set REFRAIN_HOME to another folder, and {KEPT}."
            )
        if isinstance(each, MemoryError) or number == errno.ENOMEM or MEMORY_TEXT.search(text):
            return (
                "there is not enough memory. End other programs, or lower training.batch_size and "
                f"training.batch_tokens, and {KEPT}."
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """List an error and those that caused it."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__

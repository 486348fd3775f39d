"""What a machine lacks is one sentence, whichever library raised the error."""

import errno
import sqlite3

import pytest
from safetensors import SafetensorError

from tasks.errors.known_errors import known_error

FULL = "the disk is full: "
READ_ONLY = " cannot be written, as its file system is read-only"
MEMORY = "there is not enough memory. "


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (OSError(errno.EFBIG, "File too large"), FULL),
        (OSError("12 requested and 4 written: No space left on device"), FULL),
        (SafetensorError("I/O error: No space left on device (os error 28)"), FULL),
        (sqlite3.OperationalError("database or disk is full"), FULL),
        (OSError(errno.EROFS, "Read-only file system", "/srv/x"), READ_ONLY),
        (sqlite3.OperationalError("attempt to write a readonly database"), READ_ONLY),
        (MemoryError(), MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MEMORY),
    ],
)
def test_what_a_machine_lacks_is_a_sentence(error: Exception, said: str) -> None:
    assert said in str(known_error(error))


def test_the_cause_behind_another_error_counts() -> None:
    error = RuntimeError("MLflow could not write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert str(known_error(error)).startswith(FULL)


def test_a_text_about_memory_in_a_row_is_not_the_machine() -> None:
    assert known_error(ValueError("row 3: out of memory")) == "row 3: out of memory"
    assert known_error(RuntimeError("shapes differ")) is None

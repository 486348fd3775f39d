"""A missing resource of the machine is one sentence, whichever library raised the error."""

import errno
import sqlite3

import pytest
from safetensors import SafetensorError

from tasks.errors.known_errors import known_error

FULL = "the disk is full: "
READ_ONLY = " cannot be written, as its file system is read-only"
MEMORY = "there is not enough memory. "


@pytest.mark.parametrize(
    ("error", "expected"),
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
        (RuntimeError("can't start new thread"), MEMORY),
        (ImportError("libXau.so.6: failed to map segment from shared object"), MEMORY),
    ],
)
def test_missing_machine_resource_is_one_sentence(error: Exception, expected: str) -> None:
    assert expected in str(known_error(error))


def test_cause_of_another_error_is_recognized() -> None:
    error = RuntimeError("MLflow could not write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert str(known_error(error)).startswith(FULL)


def test_memory_words_in_a_row_are_not_taken_for_a_machine_error() -> None:
    assert known_error(ValueError("row 3: out of memory")) == "row 3: out of memory"
    assert known_error(RuntimeError("shapes differ")) is None

"""JSON files that carry a digest of their content, so that a damaged one is never believed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.store import durable
from tasks.store.checksums import content_digest

CHECKSUM = "checksum"


class DamagedError(OSError):
    """A file of the store is damaged; the message names the file and the fault."""


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file with a digest of its content, whole or not at all."""
    durable.write_json(path, {**content, CHECKSUM: content_digest(content)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what ``write_sealed`` wrote; a file of an earlier version has no digest.

    Raises:
        DamagedError: If the content is not what was written.
        FileNotFoundError: If there is no such file.
    """
    text = path.read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path} {_json_fault(text, error)}") from None
    if not isinstance(content, dict):
        raise DamagedError(f"{path} has no JSON object")
    checksum = content.pop(CHECKSUM, None)
    if checksum is not None and checksum != content_digest(content):
        raise DamagedError(f"{path} has other content than was written (its checksum differs)")
    return content


def _json_fault(text: bytes, error: Exception) -> str:
    return f"is no JSON ({error})" if text.strip(b"\0 \n") else "is empty"

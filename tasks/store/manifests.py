"""The manifest of an artifact: its fields, and the size and digest of each of its files."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.store import durable
from tasks.store.checksums import FileSum, find_faults, folder_sums
from tasks.store.damaged import set_aside
from tasks.store.sealed import DamagedError, read_sealed, write_sealed

MANIFEST = "manifest.json"
FILES = "files"
# No part of an artifact: pages for people, which are made from it at any time, files that are
# only half written, and the state of a training, which ends with the training.
LEFT_OUT = (MANIFEST, "*.html", "*.partial", "resume*")


@dataclass(frozen=True)
class Manifest:
    """The fields of an artifact, and its files; those of an earlier version have no ``files``."""

    fields: dict[str, Any]
    files: dict[str, FileSum]


def finish(folder: Path, fields: Mapping[str, Any], *, without: Collection[str] = ()) -> None:
    """Flush all files of a folder and its name, then write its manifest, without some files."""
    durable.flush(folder)
    durable.flush_names(folder)
    sums = {
        name: each
        for name, each in folder_sums(folder).items()
        if not any(Path(name).match(pattern) for pattern in (*LEFT_OUT, *without))
    }
    write_sealed(folder / MANIFEST, {**fields, FILES: sums})


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; None if there is none.

    Raises:
        DamagedError: If it is damaged.
    """
    try:
        fields = read_sealed(folder / MANIFEST)
    except FileNotFoundError:
        return None
    return Manifest(fields, fields.pop(FILES, {}))


def check_files(folder: Path, *, is_thorough: bool = False) -> None:
    """Compare the files of a finished artifact with its manifest.

    Raises:
        DamagedError: If one differs; with its name.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return
    fault = next(find_faults(folder, manifest.files, is_thorough=is_thorough), "")
    if fault:
        raise DamagedError(fault)


@contextmanager
def explained_damage() -> Iterator[None]:
    """Add the remedy to the message about a damaged manifest, for lists that set nothing aside.

    Raises:
        DamagedError: If a manifest is damaged.
    """
    try:
        yield
    except DamagedError as error:
        raise DamagedError(
            f"{error}: refrain verify --set-aside moves it away, and the next flow run that needs "
            "the artifact makes it again"
        ) from None


def set_artifact_aside(folder: Path, error: DamagedError) -> None:
    """Set the folder of a damaged artifact aside."""
    # A flow run may have removed it meanwhile, or may be making it again.
    if (folder / MANIFEST).exists():
        set_aside(folder, str(error))

"""The folder of predictions of files: only files that a prediction wrote are ever changed."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from data.sources.base import Partition
from data.sources.located_files import WILD
from tasks.store.durable import flush

log = logging.getLogger(__name__)
REFUSED = "_refused"
KEY = b"refrain.part"
TIME = "time"  # the column of a served model's log with the time of an answer
PART = re.compile(r"part-(\d{5,})\.parquet")
PARTIAL = re.compile(
    r"_refrain-part-\d{5,}-[0-9a-f]{16}\.partial"
)  # a part that a killed run was writing
NOTHING_WRITTEN = "nothing was written. Name a folder that is empty or not there yet"


def local_folder(target: str) -> Path:
    """Resolve the folder that a target names.

    Raises:
        ValueError: If it is an address, or cannot be a folder.
    """
    if "://" in target or not target.strip():
        raise ValueError(
            f"the target must be a folder on this machine, got {target!r}; {NOTHING_WRITTEN}"
        )
    folder = Path(target).expanduser().resolve()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"the target must be a folder, but {there} is a file; {NOTHING_WRITTEN}")
    return folder


def check_sources(folder: Path, sources: Sequence[str], pieces: Sequence[Partition]) -> None:
    """Reject a target with files of the source, or whose predictions the source would read later.

    Raises:
        ValueError: If so, with the file or the pattern.
    """
    for path in (path for piece in pieces for path in _local_paths(piece)):
        if path.is_relative_to(folder):
            raise ValueError(
                f"{folder} holds {path}, a file that is to be read; {NOTHING_WRITTEN}, "
                "which holds none of the source"
            )
    for source in sources:
        if "://" not in source and WILD.search(source) and _would_read(source, folder):
            raise ValueError(
                f"predictions in {folder} would be read as texts the next time, "
                f"for {source} stands for them too; "
                f"{NOTHING_WRITTEN}, which the source does not reach"
            )


def check_target(folder: Path) -> dict[Path, dict[str, str]]:
    """Reject a target with files that ``predict`` did not write; hidden files are ignored.

    Returns:
        What the metadata of each part that is there says.

    Raises:
        ValueError: If so, with the first such file.
    """
    found: dict[Path, dict[str, str]] = {}
    for path in _files(folder):
        if PARTIAL.fullmatch(path.name) and path.is_file():
            continue
        about = about_part(path) if PART.fullmatch(path.name) and path.is_file() else {}
        if KEY.decode() not in about:
            raise ValueError(
                f"{folder} holds {path.relative_to(folder)}, which no prediction wrote; "
                f"{NOTHING_WRITTEN}"
            )
        found[path] = about
    return found


def check_earlier(
    folder: Path, parts: Mapping[Path, Mapping[str, str]], model: str, names: Sequence[str]
) -> None:
    """Reject a target with predictions of another model, or of other files.

    Args:
        folder: The target.
        parts: What ``check_target`` found.
        model: The model that is to answer now.
        names: The files that are to be read now.

    Raises:
        ValueError: If so, with what the folder holds.
    """
    advice = (
        "nothing was written. Name another folder, or replace them with overwrite (--overwrite)"
    )
    for about in parts.values():
        theirs = about.get("refrain.model", "")
        if theirs != model:
            raise ValueError(
                f"{folder} holds predictions of {theirs} version {about.get('refrain.version')}, "
                f"not of {model}; {advice}"
            )
    before = {absolute(about.get("refrain.source", "")) for about in parts.values()}
    if before and before.isdisjoint(map(absolute, names)):
        raise ValueError(
            f"{folder} holds predictions of other files, of {min(before)} for one; {advice}"
        )


def absolute(name: str) -> str:
    """Complete the path of a file's name; an address stays as it is."""
    return name if "://" in name else str(Path(name).absolute())


def about_part(path: Path) -> dict[str, str]:
    """Read the metadata of a part; empty if it is no Parquet file or does not exist."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return {}
    return {
        name.decode(errors="replace"): value.decode(errors="replace")
        for name, value in metadata.items()
    }


def key_of_part(path: Path) -> bytes:
    """Read the key of a part; empty if there is none."""
    return about_part(path).get(KEY.decode(), "").encode()


def write_part(table: pa.Table, path: Path, about: Mapping[str, str]) -> None:
    """Write a part atomically.

    Raises:
        FileExistsError: If a file of that name appeared that is not ours.
    """
    key = about[KEY.decode()]
    partial = path.with_name(f"_refrain-{path.stem}-{key[:16]}.partial")
    metadata = {name.encode(): value.encode() for name, value in about.items()}
    try:
        pq.write_table(table.replace_schema_metadata(metadata), partial)
        flush(partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if path.exists() and not key_of_part(path):
        partial.unlink()
        raise FileExistsError(
            f"{path} appeared meanwhile and no prediction wrote it: it was left alone. "
            "Name another folder"
        )
    partial.replace(path)


def remove_parts(folder: Path, number: int) -> int:
    """Remove parts from a number on, which a longer file left, and files of killed runs.

    Returns:
        How many parts were removed.
    """
    num_removed = 0
    for path in [*folder.glob("*"), *(folder / REFUSED).glob("*")]:
        part = PART.fullmatch(path.name)
        is_late = bool(part and int(part[1]) >= number and key_of_part(path))
        if is_late or PARTIAL.fullmatch(path.name):
            path.unlink()
            num_removed += is_late and path.parent == folder
    return num_removed


def _files(folder: Path) -> Iterator[Path]:
    """List the files of a target and of its folder of rejected rows."""
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name == REFUSED and path.is_dir():
            yield from (each for each in sorted(path.iterdir()) if not each.name.startswith("."))
        elif not path.name.startswith("."):
            yield path


def _local_paths(piece: Partition) -> Iterator[Path]:
    for place in piece.location:
        if isinstance(place.system, LocalFileSystem):
            yield Path(place.path).resolve()


def _would_read(source: str, folder: Path) -> bool:
    """Whether a pattern matches a part in a folder, however both are written."""
    steps = Path(source.removeprefix("file://")).expanduser().absolute().parts
    first = next(place for place, step in enumerate(steps) if WILD.search(step))
    pattern = Path(*steps[:first]).resolve().joinpath(*steps[first:])
    written = (folder / "part-00001.parquet", folder / REFUSED / "part-00001.parquet")
    return any(re.match(glob_translate(str(pattern)), str(path)) for path in written)

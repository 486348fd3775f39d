"""The files of logged models: flushed, read back, compared with what was recorded, restored."""

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.registry.mlflow_client import GONE, client
from tasks.registry.mlflow_library import MlflowException, mlflow
from tasks.store import durable
from tasks.store.checksums import FileSum, file_sum, find_faults, folder_sums
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
FILES = "refrain.files"  # tag of a version: sizes and digests of its files, as JSON
FACTS = "facts.json"  # written again while the version lives; it has a digest of its own
DESCRIPTION = "MLmodel"
MODEL_ID = re.compile(r"\bm-[0-9a-f]{32}\b")
# The first two are written by those that load a model.
LEFT_OUT = ("registered_model_meta", "__pycache__", FACTS)


@contextmanager
def fetched(model_id: str) -> Iterator[Path]:
    """Provide the folder of a logged model: where MLflow keeps it, or else a copy."""
    folder = local_folder(model_id)
    if folder:
        yield folder
        return
    with temporary_folder("files") as copy:
        yield Path(
            mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=str(copy / "model"))
        )


def local_folder(model_id: str) -> Path | None:
    """Find the folder of a logged model; None if MLflow keeps it elsewhere than on this disk."""
    location = str(client().get_logged_model(model_id).artifact_location)
    folder = Path(unquote(urlsplit(location).path) if "://" in location else location)
    is_local = location.startswith(("file://", "/"))
    return folder if is_local and folder.is_dir() else None


def stored_files(model_id: str) -> dict[str, FileSum]:
    """Flush the files of a logged model, if they are on this disk, and read them back."""
    folder = local_folder(model_id)
    if folder:
        durable.flush(folder)
        durable.flush_names(folder)
    with fetched(model_id) as found:
        return {
            name: each
            for name, each in folder_sums(found).items()
            if not set(LEFT_OUT) & set(Path(name).parts)
        }


def recorded_files(tags: Mapping[str, str]) -> dict[str, FileSum]:
    """Read what was recorded of a version's files; nothing for one of an earlier Refrain."""
    text = tags.get(FILES, "")
    found: dict[str, FileSum] = json.loads(text) if text.startswith("{") else {}
    return found


def fault_of(model_id: str, files: Mapping[str, FileSum], *, is_thorough: bool = False) -> str:
    """Describe the first fault of a logged model's files; empty if there is none."""
    if not files:
        return ""
    try:
        with fetched(model_id) as folder:
            return next(find_faults(folder, files, is_thorough=is_thorough), "")
    except MlflowException as error:
        if error.error_code != GONE:
            raise
        return f"model {model_id} was deleted in MLflow"


def restore(model_id: str, fresh_id: str, files: Mapping[str, FileSum]) -> dict[str, FileSum]:
    """Replace the damaged files of a model on this disk by those of one logged again.

    Returns:
        Sizes and digests of all its files; its description is written anew.

    Raises:
        OSError: If MLflow keeps the model elsewhere, or the other model lacks a file.
    """
    folder = local_folder(model_id)
    fresh = local_folder(fresh_id)
    if folder is None or fresh is None:
        raise OSError(f"model {model_id} is not on this disk, so its files cannot be restored")
    for name, expected in files.items():
        if not any(find_faults(folder, {name: expected})):
            continue
        if name != DESCRIPTION and file_sum(fresh / name) != expected:
            raise OSError(f"{folder / name} is damaged, and {fresh / name} has other content")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{name}.partial"
        shutil.copyfile(fresh / name, partial)
        if name == DESCRIPTION:
            partial.write_text(MODEL_ID.sub(model_id, partial.read_text()))
        durable.rename(partial, folder / name)
    return stored_files(model_id)

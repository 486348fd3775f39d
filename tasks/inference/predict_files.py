"""Files of raw rows in, Parquet files of predictions out, part by part: only one part is in memory.

A folder of predictions is read as one table: it holds ``part-*.parquet``, and
the rejected rows apart in ``_refused``. The metadata of a part names what it
was made of, so a run that was killed, or is started again, makes only the
parts that are missing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from tasks.inference.file_answers import Answers, PredictSettings
from tasks.inference.prediction_folder import (
    REFUSED,
    check_earlier,
    check_sources,
    check_target,
    key_of_part,
    local_folder,
    remove_parts,
)
from tasks.inference.rejected_rows import KEEP
from tasks.inference.text_files import parts_of, pieces_of
from tasks.ingestion.source_access import source_access
from tasks.registry.mlflow_client import client
from tasks.registry.registered_model import find_model
from tasks.registry.versions import SCORES
from tasks.store.artifacts import ModelVersion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions: its rows, the rejected rows, and the version that answered."""

    folder: str
    version: str
    rows: int
    refused: int
    made: int = 0  # new parts
    removed: int = 0  # parts of rows that are gone

    @property
    def is_unchanged(self) -> bool:
        """Whether all of it was there already."""
        return not self.made and not self.removed


Progress = Callable[[int, int], None]  # given the rows and the rejected rows so far


def chosen_version(model: str) -> ModelVersion:
    """Find the version that a name stands for now."""
    name, number = find_model(model)
    made = client().get_model_version(name, number)
    return ModelVersion(name, number, made.run_id or "", made.tags.get(SCORES, ""))


def write_predictions(
    version: ModelVersion,
    source: str | Sequence[str],
    target: str,
    settings: PredictSettings,
    progress: Progress = lambda rows, rejected: None,
) -> Predictions:
    """Answer all rows of files, and write the parts that do not exist yet.

    Args:
        version: Of the model that answers.
        source: Paths, globs or addresses of files.
        target: A folder on this machine, of predictions alone.
        settings: Of the prediction.
        progress: Called after each part.

    Raises:
        ValueError: If the target holds anything else, before anything is written; or if a file or a
            setting is wrong.
    """
    sources = [source] if isinstance(source, str) else [*source]
    access = source_access()
    files, pieces = pieces_of(sources, access)
    folder = local_folder(target)
    access.permissions.check_path(folder, f"the target {target}")
    answers = Answers(version, settings)
    check_sources(folder, sources, pieces)
    earlier = check_target(folder)
    if not settings.overwrite:
        check_earlier(folder, earlier, version.name, [piece.name for piece in pieces])
    rows = refused = made = number = 0
    columns = settings.columns | {KEEP + name: name for name in settings.keep}
    for number, (piece, table) in enumerate(
        parts_of(files, pieces, columns, settings.part_rows, access), 1
    ):
        (folder / REFUSED).mkdir(parents=True, exist_ok=True)
        path = folder / f"part-{number:05d}.parquet"
        key = answers.key_of(piece, number)
        if not piece.version or key_of_part(path) != key:
            answers.write(table, path, piece, key, number)
            made += 1
        num_rows = pq.read_metadata(path).num_rows
        rows += num_rows
        refused += table.num_rows - num_rows
        progress(rows, refused)
    removed = remove_parts(folder, number + 1)
    log.info(
        "%s rows answered, %d rejected, by %s version %s",
        f"{rows:,}",
        refused,
        version.name,
        version.version,
    )
    return Predictions(str(folder), version.version, rows, refused, made, removed)

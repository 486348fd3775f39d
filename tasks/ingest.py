"""Source to snapshot: checked rows to Parquet, refused rows with their reasons beside them."""

import hashlib
import logging
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from data.catalog import CATALOG, Dataset, find_dataset
from data.errors import RowError
from data.rows import REFUSED, read_rows
from data.splits import SPLITS
from rnn_models.problem import find_problem
from tasks.artifacts import Snapshot, code_digest, digest, home
from tasks.states import unchanged

log = logging.getLogger(__name__)


# No retries here: the sources wait and ask again themselves, and a bad row stays bad.
@task(task_run_name="ingest-{dataset}", cache_policy=NO_CACHE)
def ingest(dataset: str, catalog: str | None = None) -> Snapshot:
    """Read, check and split the rows of a dataset into a snapshot."""
    entry = checked_entry(dataset, catalog)
    key = digest(entry.entry, code_digest("data", libraries=("pyarrow", "pandas")))
    found = Snapshot.find(dataset, key)
    if found:
        return unchanged(found)
    with Snapshot.making(dataset, key) as folder:
        rows, splits, reasons = write_rows(entry, folder)
        return Snapshot(dataset=dataset, digest=key, rows=rows, splits=splits, reasons=reasons).commit()


def checked_entry(dataset: str, catalog: str | None) -> Dataset:
    """Find a dataset whose problem exists and reads the columns that the entry names.

    Raises:
        ValueError: If not.
    """
    path = Path(catalog) if catalog else CATALOG
    entry = find_dataset(dataset, path)
    try:
        problem = find_problem(entry.problem)
    except ValueError as error:
        raise RowError(f"{path}, entry {dataset}, problem: {error}") from error
    if problem.rows != entry.roles:
        wanted = " and ".join(problem.rows)
        raise RowError(f"{path}, entry {dataset}, columns: {problem.name} reads {wanted}, got {' and '.join(entry.roles)}")
    return entry


def write_rows(entry: Dataset, folder: Path) -> tuple[dict[str, int], dict[str, str], dict[str, int]]:
    """Stream the rows of a dataset into one Parquet file per split.

    Returns:
        Rows and content digest of each split, and how many rows were refused for which reason.
    """
    writers: dict[str, pq.ParquetWriter] = {}
    content = {split: hashlib.sha256() for split in SPLITS}
    rows, reasons = Counter[str](), Counter[str]()
    try:
        for part in read_rows(entry, home() / "downloads"):
            if part.split not in writers:
                path = folder / f"{part.split}.parquet"
                writers[part.split] = pq.ParquetWriter(path, part.table.schema, compression="zstd")
            writers[part.split].write_table(part.table)
            rows[part.split] += part.table.num_rows
            if part.split == REFUSED:
                reasons.update(reason.split(" follows ")[0].split(", got ")[0] for reason in part.table["reason"].to_pylist())
            else:
                content[part.split].update(_bytes_of(part.table))
    finally:
        for writer in writers.values():
            writer.close()
    _check_splits(entry, rows, reasons)
    total = sum(rows.values())
    counts = ", ".join(f"{split} {rows[split]:,}" for split in SPLITS)
    log.info("kept %s of %s rows: %s", f"{total - rows[REFUSED]:,}", f"{total:,}", counts)
    for reason, num in reasons.most_common(5):
        log.info("refused %s: %s", f"{num:,}", reason)
    return dict(rows), {split: content[split].hexdigest()[:16] for split in SPLITS}, dict(reasons)


def _bytes_of(table: pa.Table) -> bytes:
    """The rows as JSON lines: the same however they were cut into batches."""
    return str(table.to_pandas().to_json(orient="records", lines=True, force_ascii=False)).encode()


def _check_splits(entry: Dataset, rows: Counter[str], reasons: Counter[str]) -> None:
    empty = [split for split in SPLITS if not rows[split]]
    if empty:
        told = "; ".join(f"{num} rows refused: {reason}" for reason, num in reasons.most_common(3))
        raise RowError(
            f"{entry.name}: split {empty[0]} has no rows ({sum(rows.values())} read{'; ' + told if told else ''}). "
            "Expected at least one in each of train, validation and test: look at columns, where, labels "
            "and splits of its catalog entry."
        )

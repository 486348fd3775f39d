"""Word vectors learned from the training rows of datasets, an artifact of its own."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.text.learned_vectors import learn_vectors, write_vectors_file
from data.text.settings import TokenSettings
from tasks.ingest import ingest
from tasks.ingestion.catalog_entries import checked_entry, sides_of
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.store.artifact_base import Artifact
from tasks.store.artifacts import Snapshot
from tasks.store.code import code_digest, digest
from tasks.task_states import directly

log = logging.getLogger(__name__)
SELF = "self"
DATASET = "dataset:"
FILE = "vectors.txt"
# What changes the tokens of a text; the size of the vocabulary is that of the vectors.
READING = ("unicode", "lowercase", "strip_accents", "html", "digits", "vectors_size")


@dataclass(frozen=True, kw_only=True)
class LearnedVectors(Artifact):
    """A file of word vectors; ``sources`` maps each dataset to the digest of its training rows."""

    KIND: ClassVar[str] = "vectors"
    sources: dict[str, str]
    words: int
    size: int

    @property
    def path(self) -> Path:
        """The file, in text as of GloVe."""
        return self.folder / FILE


def sources_of(vectors: str) -> tuple[str, ...]:
    """Read the datasets of ``tokens.vectors``, ``self`` among them; none if it names a file.

    Raises:
        RowError: If it names a file beside a dataset.
    """
    parts = [part.strip() for part in vectors.split(",") if part.strip()]
    learned = [part for part in parts if part == SELF or part.startswith(DATASET)]
    if learned and len(learned) < len(parts):
        other = next(part for part in parts if part not in learned)
        raise RowError(
            f"tokens.vectors is {vectors!r}: expected one file, or {SELF} and {DATASET}NAME with "
            f"commas between them, found {other!r}"
        )
    return tuple(part.removeprefix(DATASET) for part in learned)


def find_or_learn(
    entry: Dataset, snapshot: Snapshot, settings: TokenSettings, catalog: str | None
) -> LearnedVectors | None:
    """Find the vectors that settings ask for, or learn them; None where they name a file or none.

    Other datasets are read as their newest snapshot in the store has them; one without a snapshot
    is ingested first.

    Raises:
        RowError: If a dataset is unknown, or its texts do not fit those of this one.
    """
    names = sources_of(settings.vectors)
    if not names:
        return None
    snapshots = {
        name: snapshot if name in (SELF, entry.name) else newest_snapshot(name, catalog)
        for name in names
    }
    trained_on = {each.dataset: each.splits["train"] for each in snapshots.values()}
    reading = {name: asdict(settings)[name] for name in READING}
    key = digest(trained_on, sides_of(entry)[0], entry.tokenizer, reading, vector_code())
    with LearnedVectors.once(entry.name, key) as (found, folder):
        if found:
            return found
        columns = [source_texts(each, catalog) for each in snapshots.values()]
        log.info("learning word vectors from the training rows of %s", ", ".join(trained_on))
        words, vectors = learn_vectors(entry.tokenizer, columns, settings)
        write_vectors_file(folder / FILE, words, vectors)
        return LearnedVectors(
            dataset=entry.name,
            digest=key,
            sources=trained_on,
            words=len(words),
            size=settings.vectors_size,
        ).commit()


def newest_snapshot(dataset: str, catalog: str | None) -> Snapshot:
    """Find the newest snapshot of a dataset, or make its first one."""
    last = SnapshotLog.of(dataset).last
    found = Snapshot.find(dataset, last.snapshot) if last else None
    return found or directly(ingest, dataset, catalog)


def source_texts(snapshot: Snapshot, catalog: str | None) -> pa.ChunkedArray:
    """Read the source side of a snapshot's training rows."""
    entry = checked_entry(snapshot.dataset, catalog)
    return snapshot.table("train").column(sides_of(entry)[0])


def vector_code() -> str:
    """Digest the code that learns vectors."""
    libraries = ("tokenizers", "scipy", "scikit-learn")
    return code_digest("data/text/learned_vectors.py", libraries=libraries)

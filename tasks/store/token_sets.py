"""Files of a token set: encoded columns, word vectors, and the identity of a tokenizer."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import RowError
from data.rows.splits import SPLITS
from data.rows.streams import Stream, only_rows, parquet_batches, smallest_rows
from data.text.encoder import Encoder
from data.text.settings import TokenSettings, is_tokenizer_file
from data.text.word_vectors import WordVectors, file_digest, file_words, read_vectors
from data.text.write_ids import write_ids
from tasks.store.artifacts import KNOWN, VECTORS, Snapshot

log = logging.getLogger(__name__)
BATCH_ROWS = 8192


def identity(tokenizer: str) -> str:
    """Identify a tokenizer in a digest: by its kind, or by the content of a user's file.

    Raises:
        RowError: If there is no such file.
    """
    if not is_tokenizer_file(tokenizer):
        return tokenizer
    try:
        return hashlib.sha256(Path(tokenizer).read_bytes()).hexdigest()
    except OSError as error:
        raise RowError(f"there is no tokenizer file {tokenizer}") from error


def identified(settings: TokenSettings) -> dict[str, Any]:
    """Return settings for a digest: word vectors by the content of their file.

    Raises:
        RowError: If there is no such file.
    """
    return asdict(settings) | {"vectors": file_digest(settings.vectors) if settings.vectors else ""}


def streams_of(snapshot: Snapshot, limit: int, sides: tuple[str, ...]) -> dict[str, Stream]:
    """Stream both sides of all splits in batches, the training split up to ``limit`` rows."""
    found = {
        split: Stream(partial(parquet_batches, snapshot.folder / f"{split}.parquet"))
        for split in SPLITS
    }
    train = found["train"]
    if 0 < limit < snapshot.rows["train"]:
        rows = smallest_rows(train, limit)
        found["train"] = Stream(lambda: only_rows(train, rows))
    return {split: Stream(partial(columns_of, stream, sides)) for split, stream in found.items()}


def columns_of(stream: Stream, names: tuple[str, ...]) -> Iterator[pa.Table]:
    """Select some columns of a stream of tables, in the given order."""
    for table in stream:
        yield table.select(list(names))


def write_token_set(
    folder: Path, streams: dict[str, Stream], tokenizer: str, settings: TokenSettings
) -> tuple[Encoder, dict[str, int]]:
    """Build the vocabularies and encode every split; return the encoder and rows per split."""
    words = file_words(settings.vectors) if settings.vectors else ()
    encoder = Encoder.build(tokenizer, streams["train"], settings, words=words)
    encoder.save(folder)
    if settings.vectors:
        write_vectors(folder, encoder, settings.vectors)
    log.info("%s source ids, %s target ids", f"{encoder.source_size:,}", f"{encoder.target_size:,}")
    return encoder, {
        split: write_ids(folder, split, tables, encoder, settings)
        for split, tables in streams.items()
    }


def write_vectors(folder: Path, encoder: Encoder, address: str) -> None:
    """Write the vectors of all source ids, and a mask of the ids that have one."""
    found = read_vectors(address, encoder.source.names)
    num_fixed = encoder.source.num_fixed
    num_learned = len(found.how) - num_fixed
    of_train = WordVectors(found.table[:num_learned], found.how[:num_learned])
    log.info(
        "vectors for %s, and for %s words outside the training split, from %s",
        of_train.coverage,
        f"{num_fixed:,}",
        address,
    )
    np.save(folder / VECTORS, found.table)
    np.save(folder / KNOWN, found.is_known)


def sizes_of(encoder: Encoder) -> dict[str, Any]:
    """Return the vocabulary sizes and labels that a model is built with."""
    return {
        "source": encoder.source_size,
        "target": encoder.target_size,
        "labels": encoder.labels,
        "is_shared": encoder.target is encoder.source,
        "characters": encoder.characters.size if encoder.characters else 0,
        "fixed": encoder.source.num_fixed,
    }

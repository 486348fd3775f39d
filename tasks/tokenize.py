"""Snapshot to token set: ids per split, memory-mapped, and vocabularies from training rows only."""

import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from data.errors import RowError
from data.splits import CONTENT_KEY, SPLITS, hashes, normalised
from data.tokenizer import DEFAULTS, Encoder, TokenSettings
from tasks.artifacts import Snapshot, TokenSet, code_digest, digest
from tasks.ingest import checked_entry
from tasks.settings import TokenChanges, changes
from tasks.states import unchanged

log = logging.getLogger(__name__)
CODE = ("data/tokenizer.py", "data/vocabulary.py", "tasks/tokenize.py")


@task(task_run_name="tokenize-{snapshot.dataset}", cache_policy=NO_CACHE)
def tokenize(snapshot: Snapshot, settings: TokenChanges, catalog: str | None = None) -> TokenSet:
    """Build vocabularies from the training rows and write all splits as ids."""
    entry = checked_entry(snapshot.dataset, catalog)
    chosen = replace(DEFAULTS[entry.tokenizer], **changes(settings))
    key = digest(snapshot.splits, entry.tokenizer, asdict(chosen), code_digest(*CODE, libraries=("tokenizers",)))
    found = TokenSet.find(snapshot.dataset, key)
    if found:
        return unchanged(found)
    with TokenSet.making(snapshot.dataset, key) as folder:
        train = limited(snapshot.table("train"), chosen.limit)
        encoder = Encoder.build(entry.tokenizer, train, chosen)
        encoder.save(folder)
        tables = {"train": train} | {split: snapshot.table(split) for split in SPLITS[1:]}
        rows = {split: write_ids(folder, split, table, encoder, chosen) for split, table in tables.items()}
        sizes = {
            "source": encoder.source.size, "target": encoder.target_size,
            "labels": encoder.labels, "is_shared": encoder.target is encoder.source,
        }  # fmt: skip
        log.info("%s source ids, %s target ids", f"{encoder.source.size:,}", f"{encoder.target_size:,}")
        return TokenSet(
            dataset=snapshot.dataset,
            digest=key,
            problem=entry.problem,
            tokenizer=entry.tokenizer,
            snapshot=snapshot.digest,
            rows=rows,
            sizes=sizes,
            limit=chosen.limit,
            test_split=snapshot.splits["test"],
            settings=asdict(chosen),
        ).commit()


def limited(train: pa.Table, limit: int) -> pa.Table:
    """Take the ``limit`` rows with the smallest content hashes: the same ones every time, no order favoured."""
    if not limit or limit >= train.num_rows:
        return train
    place = hashes(normalised(train[train.column_names[0]]), CONTENT_KEY)
    return train.take(pa.array(np.sort(np.argsort(place, kind="stable")[:limit])))


def write_ids(folder: Path, split: str, table: pa.Table, encoder: Encoder, settings: TokenSettings) -> int:
    """Write both sides of a split as flat ids and offsets, and return its rows.

    Training examples are cut at ``max_length``, training pairs beyond it left
    out. Test rows all stay, in their order. Validation rows with a label that
    no training row has cannot be learnt from and are left out.
    """
    source = encoder.encode_source(table[table.column_names[0]])
    target = encoder.encode_target(table[table.column_names[1]])
    keep = np.ones(table.num_rows, dtype=bool)
    if encoder.labels and split == "validation":
        unknown = np.add.reduceat(np.append(target[0] < 0, 0), target[1][:-1])
        keep = (unknown == 0) | (np.diff(target[1]) == 0)
    if split == "train":
        if encoder.roles[1] == "target":
            keep = np.maximum(np.diff(source[1]), np.diff(target[1])) <= settings.max_length
        else:
            source, target = (cut(*side, settings.max_length) for side in (source, target))
    if not keep.any():
        raise RowError(f"no row of {split} is left within max_length {settings.max_length}: raise tokens.max_length")
    for side, encoded in (("source", source), ("target", target)):
        ids, offsets = kept(*encoded, keep)
        np.save(folder / f"{split}.{side}.npy", ids)
        np.save(folder / f"{split}.{side}.offsets.npy", offsets)
    left_out = int((~keep).sum())
    log.info("%s: %s rows%s", split, f"{int(keep.sum()):,}", f", {left_out:,} left out" if left_out else "")
    return int(keep.sum())


def cut(ids: NDArray[np.int32], offsets: NDArray[np.int64], max_length: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Keep the first ``max_length`` ids of each row."""
    lengths = np.diff(offsets)
    step = np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)
    return ids[step < max_length], np.concatenate([[0], np.cumsum(np.minimum(lengths, max_length))])


def kept(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Keep some rows."""
    lengths = np.diff(offsets)
    return ids[np.repeat(keep, lengths)], np.concatenate([[0], np.cumsum(lengths[keep])])

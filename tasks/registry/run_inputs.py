"""The data of an MLflow run: its splits, with the digests of the rows that were really read."""

import json

import pyarrow.parquet as pq

from tasks.ingestion.row_digest import RowDigest
from tasks.registry.mlflow_library import Dataset, DatasetInput, InputTag
from tasks.store.artifacts import Snapshot, TokenSet
from tasks.store.token_sets import streams_of

CONTEXT = "mlflow.data.context"


def inputs_of(tokens: TokenSet) -> list[DatasetInput]:
    """Describe each split as MLflow shows the data of a run."""
    snapshot = tokens.snapshot_of()
    return [
        DatasetInput(
            Dataset(
                name=f"{tokens.dataset}-{split}",
                digest=digest_of_rows(tokens, snapshot, split),
                source_type="local",
                source=(snapshot.folder / f"{split}.parquet").as_uri(),
                profile=json.dumps({"num_rows": tokens.rows[split]}),
            ),
            tags=[InputTag(CONTEXT, split)],
        )
        for split in snapshot.splits
    ]


def digest_of_rows(tokens: TokenSet, snapshot: Snapshot, split: str) -> str:
    """Digest the rows of a split that a training reads: of the training split, up to a limit."""
    if split != "train" or not 0 < tokens.limit < snapshot.rows["train"]:
        return snapshot.splits[split]
    names = pq.read_schema(snapshot.folder / "train.parquet").names
    made = RowDigest()
    for table in streams_of(snapshot, tokens.limit, tuple(names))["train"]:
        made.add(table)
    return made.value

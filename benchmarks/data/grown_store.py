"""A store that grows: snapshots, trainings and versions of a made-up dataset."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml

from benchmarks.data.encoding import made_texts
from benchmarks.data.growth import write_rows
from data.catalog.catalog import find_dataset
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.ingestion.partitions import PartitionRows
from tasks.ingestion.snapshot import make_snapshot
from tasks.register import register
from tasks.registry import mlflow_client
from tasks.registry.versions import SCORES, versions_of
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, Scores, Snapshot, TokenSet
from tasks.tokenize import tokenize
from tasks.train import train

NAME = "reviews"


GROWTHS = 4


NEW_ROWS = 300


TRAINING = {"embedding_size": 8, "hidden_size": 8, "max_epochs": 1, "batch_size": 32}


ALIASES = {
    1: "champion",
    3: "kept_by_a_user",
}  # growth to alias; the last version is the challenger anyway


KILLED = (Snapshot, TokenSet, Checkpoint, Scores, PartitionRows)


def grow(folder: Path, number: int) -> None:
    """Bring a new file, and change the one before it."""
    chance = np.random.default_rng(number)
    texts = made_texts(chance, NEW_ROWS + 1, mean=8)
    write_rows(
        folder / f"{number}.csv",
        [(text, ("neg", "pos")[i % 2]) for i, text in enumerate(texts[1:])],
    )
    if number:
        with (folder / f"{number - 1}.csv").open("a", encoding="utf-8") as file:
            file.write(f"{texts[0]},pos\n")


def write_catalog(folder: Path) -> Path:
    """Write the entry of the dataset."""
    entry = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "-",
        "origin": "made up",
        "format": {"kind": "csv"},
        "source": {"kind": "files", "paths": {"all": "*.csv"}},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.1, "test": 0.2},
        "tokenizer": "words",
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({NAME: entry}))
    return path


def retrained(snapshot: Snapshot, catalog: Path, seed: int, *, is_registered: bool) -> Scores:
    """Do what a flow run does, without the engine."""
    settings = read_settings(
        {"tokens": {"min_frequency": 1}, "training": TRAINING | {"seed": seed}}
    )
    tokens = done(tokenize.fn(snapshot, settings.tokens, str(catalog)))
    checkpoint = done(train.fn(tokens, settings.training))
    scores: Scores = done(evaluate.fn(checkpoint, tokens))
    if is_registered:
        register.fn(checkpoint, tokens, scores)
    return scores


def done(result: Any) -> Any:
    """What a task gave, out of the state in which it says ``Unchanged``."""
    return getattr(result, "data", result)


def fill(folder: Path, catalog: Path) -> None:
    """Grow and retrain, and leave behind what crashes leave."""
    for number in range(GROWTHS):
        grow(folder, number)
        snapshot: Snapshot = done(ingest.fn(NAME, str(catalog)))
        retrained(snapshot, catalog, 1, is_registered=False)
        if number:  # of the first snapshot nothing is registered
            scores = retrained(snapshot, catalog, 2, is_registered=True)
            if number in ALIASES:
                mlflow_client.set_alias(NAME, ALIASES[number], number_of(scores))
    grow(folder, GROWTHS)
    make_snapshot(find_dataset(NAME, catalog))
    for kind in KILLED:
        unfinished = kind.folder_of(NAME, "partial-0123abcd" if kind is Snapshot else "0" * 16)
        unfinished.mkdir(parents=True)
        (unfinished / "half.bin").write_bytes(bytes(1_000))


def number_of(scores: Scores) -> str:
    """The version that was made of some scores."""
    return next(
        str(info.version) for info in versions_of(NAME) if info.tags[SCORES] == scores.digest
    )


@contextmanager
def own_mlflow() -> Iterator[None]:
    """Register in the store, whatever the environment says, and without the words of MLflow."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with patch.object(mlflow_client, "CHOSEN_URI", ""):
        yield

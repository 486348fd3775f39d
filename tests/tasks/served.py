"""Untrained models of every problem, registered in a real MLflow, for tests of serving."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from data.rows.splits import SPLITS
from data.rows.streams import Stream
from data.text.settings import default_settings
from rnn_models.checkpoints.checkpoint import save_model, weights_of
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import Sizes, find_problem
from rnn_models.settings import TrainSettings
from tasks.ingestion.snapshot_writer import REPORT
from tasks.pages.data import PAGE
from tasks.register import register
from tasks.registry.training_run import start_run
from tasks.scoring.outputs import OUTPUTS, STATISTICS
from tasks.settings import TrainChanges
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, Snapshot, TokenSet
from tasks.store.token_sets import sizes_of, write_token_set
from tasks.task_states import directly
from tasks.train import train

TEXTS = ["lumo sela nuri", "grak", "dosh vek ta mi", "so li lumo", "pe so so", "nuri lumo"]
NAMED = [["ta", "Kalo", "Bren"], ["Ursa"], ["lumo", "Tembo", "Sil", "da"], ["mi", "ro"]]
TAGS = [["O", "B-PER", "I-PER"], ["B-PER"], ["O", "B-LOC", "I-LOC", "O"], ["O", "O"]]
TABLES = {
    "sentiment": pa.table({"text": TEXTS * 3, "label": ["pos", "neg", "neg"] * 6}),
    "ner": pa.table({"tokens": NAMED * 3, "tags": TAGS * 3}),
    "translation": pa.table({"source": TEXTS * 3, "target": [text.upper() for text in TEXTS] * 3}),
    "regression": pa.table({"text": TEXTS * 3, "score": ["4.5", "1", "-2"] * 6}),
    "generation": pa.table({"label": ["so", "no", "so"] * 6, "text": TEXTS * 3}),
}
KINDS = {
    "sentiment": "words",
    "ner": "words",
    "translation": "bpe",
    "regression": "words",
    "generation": "characters",
}
CHANGES = {"translation": {"beam_width": 3}, "generation": {"sample_length": 20}}
COST = {"value": 50.0, "low": 40.0, "high": 60.0, "signature": ""}


@dataclass(frozen=True)
class Served:
    """A registered version and its inputs."""

    version: ModelVersion
    checkpoint: Checkpoint
    tokens: TokenSet
    scores: Scores


def token_set_of(problem: str, key: str, test: pa.Table | None = None) -> TokenSet:
    """A snapshot and its ids with equal splits, except for a given test split."""
    table, name = TABLES[problem], f"made_{problem}"
    tables = dict.fromkeys(SPLITS, table) | ({"test": test} if test else {})
    rows, splits = (
        {split: each.num_rows for split, each in tables.items()},
        dict.fromkeys(SPLITS, key),
    )
    with Snapshot.making(name, key) as folder:
        for split in SPLITS:
            pq.write_table(tables[split], folder / f"{split}.parquet")
        Snapshot(dataset=name, digest=key, rows=rows, splits=splits, reasons={}).commit()
    with TokenSet.making(name, key) as folder:
        settings = default_settings(KINDS[problem], is_generated=problem == "generation")
        streams = {split: Stream(partial(iter, [each])) for split, each in tables.items()}
        encoder, _ = write_token_set(folder, streams, KINDS[problem], settings)
        return TokenSet(
            dataset=name,
            digest=key,
            problem=problem,
            tokenizer=KINDS[problem],
            snapshot=key,
            rows=rows,
            sizes=sizes_of(encoder),
            limit=0,
            test_split=key,
            settings=asdict(settings),
        ).commit()


def checkpoint_of(tokens: TokenSet, key: str, seed: int) -> Checkpoint:
    """A model with random weights."""
    problem, sizes = find_problem(tokens.problem), tokens.model_sizes()
    assert isinstance(sizes, Sizes)
    settings = TrainSettings(embedding_size=8, hidden_size=8, **CHANGES.get(tokens.problem, {}))  # type: ignore[arg-type]
    torch.manual_seed(seed)
    model = problem.build(sizes, settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    with Checkpoint.making(tokens.dataset, key) as folder:
        save_model(folder, weights_of(model), problem, sizes, settings)
        return Checkpoint(
            dataset=tokens.dataset,
            digest=key,
            problem=problem.name,
            tokens=tokens.digest,
            mlflow_run=start_run(tokens, {}, {}),
            epochs=1,
            best_epoch=1,
            validation_loss=1.0,
            clipped_share=0.0,
            train_seconds=1.0,
            num_parameters=1,
            settings=asdict(settings),
        ).commit()


def trained(problem: str, **changes: Any) -> Served:
    """Register a model of a problem that was trained for two epochs."""
    tokens = token_set_of(problem, "trained")
    for report in (PAGE, REPORT):  # the run of a training keeps them
        (tokens.snapshot_of().folder / report).write_text("made")
    chosen = (
        CHANGES.get(problem, {})
        | {"embedding_size": 8, "hidden_size": 8, "max_epochs": 2, "batch_size": 4}
        | changes
    )
    return registered(tokens, directly(train, tokens, TrainChanges(**chosen)))


def write_outputs(folder: Path, problem: str) -> None:
    """Write the files of an evaluation: all answers correct, or one nat per token."""
    table, headline = TABLES[problem], find_metric(find_problem(problem).metrics[0])
    source, references = (column.to_pylist() for column in table.columns)
    references = [find_problem(problem).output.reference(value) for value in references]
    predictions = (
        [np.ones(len(text) + 1, np.float32) for text in references]
        if problem == "generation"
        else references
    )
    np.savez(folder / STATISTICS, **{headline.name: headline.statistics(predictions, references)})  # type: ignore[arg-type]
    shown = (
        {}
        if problem == "generation"
        else {"output": predictions, "score": np.ones(len(references))}
    )
    pd.DataFrame({"source": source, "reference": references, **shown}).to_parquet(folder / OUTPUTS)


def served(problem: str, seed: int = 0) -> Served:
    """Register a model of a problem in the current store."""
    key = f"{seed:016d}"
    tokens = token_set_of(problem, key)
    return registered(tokens, checkpoint_of(tokens, key, seed))


def registered(tokens: TokenSet, checkpoint: Checkpoint) -> Served:
    """Register a checkpoint with made-up scores."""
    problem, key = tokens.problem, checkpoint.digest
    metrics = find_problem(problem).metrics
    baselines = {name: dict.fromkeys(metrics, 10.0) for name in find_problem(problem).baselines}
    with Scores.making(tokens.dataset, key) as folder:
        write_outputs(folder, problem)
        scores = Scores(
            dataset=tokens.dataset,
            digest=key,
            problem=problem,
            checkpoint=key,
            tokens=tokens.digest,
            mlflow_run=checkpoint.mlflow_run,
            test_split=tokens.test_split,
            metrics=dict.fromkeys(metrics, COST),
            baselines=baselines,
        ).commit()
    return Served(directly(register, checkpoint, tokens, scores), checkpoint, tokens, scores)

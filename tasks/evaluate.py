"""Checkpoint to scores: the field's own metrics on the test split, with intervals and baselines."""

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from data.tokenizer import Encoder
from rnn_models.baselines import find_baseline
from rnn_models.checkpoint import load_model
from rnn_models.metrics import find_metric, measure
from rnn_models.prediction import predict_all
from rnn_models.problem import Problem
from tasks.artifacts import Checkpoint, Scores, TokenSet, code_digest, digest
from tasks.registry import log_metrics, log_table, set_tags
from tasks.states import unchanged

log = logging.getLogger(__name__)
NUM_SAMPLES = 200  # outputs shown in MLflow


@task(task_run_name="evaluate-{checkpoint.dataset}", cache_policy=NO_CACHE)
def evaluate(checkpoint: Checkpoint, tokens: TokenSet) -> Scores:
    """Score a model and the cheap systems on the test split."""
    code = code_digest("rnn_models", "tasks/evaluate.py", libraries=("torch", "sacrebleu", "scikit-learn"))
    key = digest(checkpoint.digest, tokens.test_split, code)
    found = Scores.find(checkpoint.dataset, key)
    if found:
        return unchanged(found)
    with Scores.making(checkpoint.dataset, key) as folder:
        problem, model = load_model(checkpoint.folder)
        test, started = tokens.examples("test"), time.perf_counter()
        outputs = predict_all(problem, model, test)
        speed = len(test) / (time.perf_counter() - started)
        encoder = Encoder.load(tokens.folder)
        said = [encoder.decode(o.ids, copied=o.copied, source=row) for o, row in zip(outputs, sources(tokens), strict=True)]
        metrics = write_results(folder, problem, tokens, said, [output.score for output in outputs])
        baselines = score_baselines(problem, tokens, encoder)
        scores = Scores(
            dataset=checkpoint.dataset, digest=key, problem=problem.name, checkpoint=checkpoint.digest, tokens=tokens.digest,
            mlflow_run=checkpoint.mlflow_run, test_split=tokens.test_split, metrics=metrics, baselines=baselines,
        )  # fmt: skip
        tell(scores, folder, speed)
        return scores.commit()


def sources(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What goes in, as the publisher wrote it, in the order of a split's examples."""
    column: list[Any] = tokens.snapshot_of().table(split).column(0).to_pylist()
    return column


def references(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What should come out, as the publisher wrote it, in the order of a split's examples."""
    table = tokens.snapshot_of().table(split)
    column: list[Any] = table[table.column_names[1]].to_pylist()
    return column


def write_results(
    folder: Path, problem: Problem, tokens: TokenSet, said: list[Any], sure: list[float]
) -> dict[str, dict[str, Any]]:
    """Score outputs and write them, and the statistics of each example, to a folder."""
    true, measured = references(tokens), {}
    statistics = {}
    for name in problem.metrics:
        metric = find_metric(name)
        statistics[name] = metric.statistics(said, true)
        measured[name] = asdict(measure(metric, statistics[name]))
    np.savez_compressed(folder / "statistics.npz", **statistics)  # type: ignore[arg-type]
    table = pd.DataFrame({"source": sources(tokens), "reference": true, "output": said, "score": sure})
    table.to_parquet(folder / "outputs.parquet")
    return measured


def score_baselines(problem: Problem, tokens: TokenSet, encoder: Encoder) -> dict[str, dict[str, float]]:
    """Score the cheap systems of a problem, trained on the same examples."""
    train, test, true = tokens.examples("train"), tokens.examples("test"), references(tokens)
    found: dict[str, dict[str, float]] = {}
    for name in problem.baselines:
        said = [encoder.decode(ids) for ids in find_baseline(name)(train, test)]
        metrics = [find_metric(metric) for metric in problem.metrics]
        found[name] = {m.name: float(m.score(m.statistics(said, true).sum(0, keepdims=True))[0]) for m in metrics}
    return found


def tell(scores: Scores, folder: Path, rows_per_second: float) -> None:
    """Write scores to the log and, with sample outputs, to MLflow."""
    points = {"test_rows_per_second": rows_per_second}
    for name, score in scores.metrics.items():
        log.info("%s %.2f (%.2f to %.2f) %s", name, score["value"], score["low"], score["high"], score["signature"])
        points |= {f"test_{name}": score["value"], f"test_{name}_low": score["low"], f"test_{name}_high": score["high"]}
    for name, values in scores.baselines.items():
        log.info("baseline %s: %s", name, ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()))
        points |= {f"baseline_{name}_{metric}": value for metric, value in values.items()}
    now = int(time.time() * 1000)
    log_metrics(scores.mlflow_run, [(name, value, 0, now) for name, value in points.items()])
    signatures = {f"refrain.signature.{n}": s["signature"] for n, s in scores.metrics.items() if s["signature"]}
    set_tags(scores.mlflow_run, {"refrain.test_split": scores.test_split, **signatures})
    samples = pd.read_parquet(folder / "outputs.parquet").head(NUM_SAMPLES).astype({"score": float})
    shown = samples.map(lambda cell: " ".join(cell) if isinstance(cell, np.ndarray) else cell)
    log_table(scores.mlflow_run, shown, "outputs.json")

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

from data.formats.base import format_module
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.evaluation.baselines import UNSPACED_ONLY
from rnn_models.evaluation.metrics import Metric, find_metric, measure
from rnn_models.problem import Problem
from tasks.registry.mlflow_client import log_metrics, log_table, set_tags
from tasks.scoring.bleu_tokenizer import bleu_tokenizer, scripts_of
from tasks.scoring.outputs import (
    BASELINES,
    OUTPUTS,
    STATISTICS,
    cheaply,
    paired,
    references,
    say_all,
    score_of,
    sources,
)
from tasks.scoring.raw_text import raw_text_scores
from tasks.scoring.samples import SAMPLES, write_samples
from tasks.settings import EvaluationChanges
from tasks.store.artifacts import Checkpoint, Scores, TokenSet
from tasks.store.code import code_digest, digest, path_of
from tasks.task_states import unchanged

log = logging.getLogger(__name__)
DEFAULTS = EvaluationChanges()
NUM_SAMPLES = 200  # outputs shown in MLflow


@task(task_run_name="evaluate-{checkpoint.dataset}", cache_policy=NO_CACHE)
def evaluate(
    checkpoint: Checkpoint,
    tokens: TokenSet,
    settings: EvaluationChanges = DEFAULTS,
    catalog: str | None = None,
) -> Scores:
    """Score a model and the baselines on the test split."""
    tokenizer = bleu_tokenizer(tokens, settings, catalog)
    key = digest(checkpoint.digest, tokens.test_split, scoring_code(tokens), tokenizer)
    found = Scores.find(checkpoint.dataset, key)
    if found:
        return unchanged(found)
    with Scores.making(checkpoint.dataset, key) as folder:
        problem, model = load_model(checkpoint.folder)
        is_joined, started = bool(checkpoint.settings["joined_texts"]), time.perf_counter()
        said, shown = say_all(problem, model, tokens)
        speed = len(said) / (time.perf_counter() - started)
        metrics = write_results(
            folder, problem, tokens, said, shown, is_joined=is_joined, tokenizer=tokenizer
        )
        if problem.token_nats:
            metrics |= write_samples(folder, checkpoint, tokens, sources(tokens))
        baselines = score_baselines(
            folder, problem, tokens, is_joined=is_joined, tokenizer=tokenizer
        )
        is_tagger = problem.rows[1] == "tags"
        raw_text = (
            raw_text_scores(checkpoint, tokens, sources(tokens), references(tokens))
            if is_tagger
            else {}
        )
        scores = Scores(
            dataset=checkpoint.dataset,
            digest=key,
            problem=problem.name,
            checkpoint=checkpoint.digest,
            tokens=tokens.digest,
            mlflow_run=checkpoint.mlflow_run,
            test_split=tokens.test_split,
            metrics=metrics,
            baselines=baselines,
            baseline=choose_baseline(problem, tokens, list(baselines), tokenizer),
            bleu_tokenizer=tokenizer,
            raw_text=raw_text,
        )
        tell(scores, folder, speed)
        return scores.commit()


def scoring_code(tokens: TokenSet, *alone: str) -> str:
    """A digest of the code that scores models and baselines of a token set's problem."""
    looked_up = [f"rnn_models/problems/{tokens.problem}.py"]
    if tokens.format:
        looked_up.append(path_of(format_module(tokens.format)))
    return code_digest(
        "tasks/evaluate.py",
        *looked_up,
        alone=alone,
        libraries=("torch", "sacrebleu", "scikit-learn"),
    )


def write_results(
    folder: Path,
    problem: Problem,
    tokens: TokenSet,
    said: list[Any],
    shown: dict[str, list[Any]],
    *,
    is_joined: bool,
    tokenizer: str,
) -> dict[str, dict[str, Any]]:
    """Score what a model says and write it, and the statistics of each example, to a folder."""
    true, measured, statistics = references(tokens), {}, {}
    for name in problem.metrics:
        metric = find_metric(name, tokenizer=tokenizer)
        statistics[name] = metric.statistics(*paired(problem, said, true, is_joined=is_joined))
        measured[name] = asdict(measure(metric, statistics[name]))
    np.savez_compressed(folder / STATISTICS, **statistics)  # type: ignore[arg-type]
    table = pd.DataFrame({"source": sources(tokens), "reference": true, **shown})
    table.to_parquet(folder / OUTPUTS)
    return measured


def score_baselines(
    folder: Path, problem: Problem, tokens: TokenSet, *, is_joined: bool, tokenizer: str
) -> dict[str, dict[str, float]]:
    """Score the baselines of a problem, trained on the same rows, and write the headline's statistics of each."""
    true, found, statistics = references(tokens), dict[str, dict[str, float]](), {}
    metrics = [find_metric(name, tokenizer=tokenizer) for name in problem.metrics]
    for name in baselines_of(problem, tokens):
        said = cheaply(problem, tokens, name)
        found[name] = {metric.name: score_of(metric, said, true) for metric in metrics}
        statistics[name] = metrics[0].statistics(*paired(problem, said, true, is_joined=is_joined))
    np.savez_compressed(folder / BASELINES, **statistics)  # type: ignore[arg-type]
    return found


def baselines_of(problem: Problem, tokens: TokenSet) -> list[str]:
    """Names of a problem's baselines, without those for texts whose words are not separated by spaces if these are."""
    special = [name for name in problem.baselines if name in UNSPACED_ONLY]
    is_left_out = bool(special) and not scripts_of(tokens, place=0).is_unspaced
    return [name for name in problem.baselines if not (is_left_out and name in special)]


def choose_baseline(problem: Problem, tokens: TokenSet, names: list[str], tokenizer: str) -> str:
    """Name the baseline with the best headline score on the validation split, as a model's settings are chosen there."""
    if len(names) == 1:
        return names[0]
    metric = find_metric(problem.metrics[0], tokenizer=tokenizer)
    gains = {
        name: metric.gain(validation_score(problem, tokens, name, metric), 0.0) for name in names
    }
    return max(gains, key=lambda name: gains[name])


def validation_score(problem: Problem, tokens: TokenSet, name: str, metric: Metric) -> float:
    """A baseline's score on the validation rows that have an answer which training rows have too."""
    said, true = cheaply(problem, tokens, name, "validation"), references(tokens, "validation")
    labels = tokens.sizes["labels"]
    known = [
        bool(problem.token_nats)
        or not labels
        or set([row] if isinstance(row, str) else row) <= {*labels}
        for row in true
    ]
    true = [row for row, is_known in zip(true, known, strict=True) if is_known]
    if len(said) > len(true):  # of raw rows; a token set has no others
        said = [row for row, is_known in zip(said, known, strict=True) if is_known]
    return score_of(metric, said, true)


def tell(scores: Scores, folder: Path, rows_per_second: float) -> None:
    """Write scores to the log and, with sample outputs, to MLflow."""
    points = {"test_rows_per_second": rows_per_second}
    for name, score in scores.metrics.items():
        log.info(
            "%s %.2f (%.2f to %.2f) %s",
            name,
            score["value"],
            score["low"],
            score["high"],
            score["signature"],
        )
        points |= {
            f"test_{name}": score["value"],
            f"test_{name}_low": score["low"],
            f"test_{name}_high": score["high"],
        }
    for name, values in scores.baselines.items():
        log.info(
            "baseline %s: %s",
            name,
            ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()),
        )
        points |= {f"baseline_{name}_{metric}": value for metric, value in values.items()}
    for name, value in scores.raw_text.items():
        log.info("%s of raw text %.2f", name, value)
        points[f"test_raw_text_{name}"] = value
    now = int(time.time() * 1000)
    log_metrics(scores.mlflow_run, [(name, value, 0, now) for name, value in points.items()])
    signatures = {
        f"refrain.signature.{n}": s["signature"]
        for n, s in scores.metrics.items()
        if s["signature"]
    }
    set_tags(scores.mlflow_run, {"refrain.test_split": scores.test_split, **signatures})
    drawn = folder / SAMPLES
    samples = (
        pd.read_parquet(drawn if drawn.exists() else folder / OUTPUTS)
        .head(NUM_SAMPLES)
        .astype({"score": float})
    )
    shown = samples.map(lambda cell: " ".join(cell) if isinstance(cell, np.ndarray) else cell)
    log_table(scores.mlflow_run, shown, "outputs.json")

"""Checkpoint to scores: metrics on the test split, with intervals and baselines."""

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from data.formats.base import format_module
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.evaluation.baselines import find_baseline
from rnn_models.evaluation.metric import Metric
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import Problem, find_problem
from tasks.registry.mlflow_client import log_metrics, log_table, set_tags
from tasks.scoring.bleu_tokenizer import bleu_tokenizer, scripts_of
from tasks.scoring.evaluation import Pairs, evaluate_predictions
from tasks.scoring.outputs import (
    BASELINES,
    OUTPUTS,
    STATISTICS,
    predict_baseline,
    predict_split,
    references,
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
    with Scores.once(checkpoint.dataset, key) as (found, folder):
        if found:
            return unchanged(found)
        problem, model = load_model(checkpoint.folder)
        metrics = [find_metric(name, tokenizer=tokenizer) for name in problem.metrics]
        started = time.perf_counter()
        predictions, shown = predict_split(problem, model, tokens)
        speed = len(predictions) / (time.perf_counter() - started)
        pairs = partial(problem.output.pairs, is_joined=checkpoint.settings["joined_texts"])
        baselines = score_baselines(folder, problem, tokens, metrics, pairs)
        scores = Scores(
            dataset=checkpoint.dataset,
            digest=key,
            problem=problem.name,
            checkpoint=checkpoint.digest,
            tokens=tokens.digest,
            mlflow_run=checkpoint.mlflow_run,
            test_split=tokens.test_split,
            metrics=write_results(folder, tokens, metrics, predictions, shown, pairs)
            | scores_of_samples(folder, problem, checkpoint, tokens),
            baselines=baselines,
            baseline=choose_baseline(problem, tokens, list(baselines), metrics[0]),
            bleu_tokenizer=tokenizer,
            raw_text=scores_of_raw_text(problem, checkpoint, tokens),
        )
        report(scores, folder, speed)
        return scores.commit()


def scoring_code(tokens: TokenSet, *alone: str) -> str:
    """Digest the code that scores models and baselines of a token set's problem."""
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
    tokens: TokenSet,
    metrics: list[Metric],
    predictions: list[Any],
    shown: dict[str, list[Any]],
    pairs: Pairs,
) -> dict[str, dict[str, Any]]:
    """Score predictions, and write them and the statistics of each example to a folder."""
    targets = references(tokens)
    found = [evaluate_predictions(metric, predictions, targets, pairs) for metric in metrics]
    statistics = {each.metric.name: each.statistics for each in found}
    np.savez_compressed(folder / STATISTICS, **statistics)  # type: ignore[arg-type]
    table = pd.DataFrame({"source": sources(tokens), "reference": targets, **shown})
    table.to_parquet(folder / OUTPUTS)
    return {each.metric.name: each.measured() for each in found}


def scores_of_samples(
    folder: Path, problem: Problem, checkpoint: Checkpoint, tokens: TokenSet
) -> dict[str, dict[str, Any]]:
    """Draw texts from a language model and score those that are valid."""
    if not problem.output.is_continuation:
        return {}
    return write_samples(folder, checkpoint, tokens, sources(tokens))


def scores_of_raw_text(
    problem: Problem, checkpoint: Checkpoint, tokens: TokenSet
) -> dict[str, float]:
    """Score a tagger on raw text."""
    if not problem.output.has_entities:
        return {}
    return raw_text_scores(checkpoint, tokens, sources(tokens), references(tokens))


def score_baselines(
    folder: Path, problem: Problem, tokens: TokenSet, metrics: list[Metric], pairs: Pairs
) -> dict[str, dict[str, float]]:
    """Score the baselines, trained on the same rows, and write the headline statistics of each."""
    targets = references(tokens)
    scores = dict[str, dict[str, float]]()
    statistics = {}
    for name in baselines_of(problem, tokens):
        predictions = predict_baseline(problem, tokens, name)
        scores[name] = {
            metric.name: metric.total(metric.statistics(predictions, targets)) for metric in metrics
        }
        headline = evaluate_predictions(metrics[0], predictions, targets, pairs)
        statistics[name] = headline.statistics
    np.savez_compressed(folder / BASELINES, **statistics)  # type: ignore[arg-type]
    return scores


def baselines_of(problem: Problem, tokens: TokenSet) -> list[str]:
    """List the baselines of a problem that are worth their time on these rows."""
    special = {name for name in problem.baselines if find_baseline(name).is_unspaced_only}
    is_left_out = bool(special) and not scripts_of(tokens, index=0).is_unspaced
    return [name for name in problem.baselines if not (is_left_out and name in special)]


def choose_baseline(problem: Problem, tokens: TokenSet, names: list[str], metric: Metric) -> str:
    """Choose the baseline with the best headline score on the validation split.

    The settings of a model are chosen there too.
    """
    if len(names) == 1:
        return names[0]
    gains = {
        name: metric.gain(validation_score(problem, tokens, name, metric), 0.0) for name in names
    }
    return max(gains, key=lambda name: gains[name])


def validation_score(problem: Problem, tokens: TokenSet, name: str, metric: Metric) -> float:
    """Score a baseline on the validation rows whose labels the training rows have too."""
    predictions = predict_baseline(problem, tokens, name, "validation")
    return metric.total(metric.statistics(predictions, references(tokens, "validation")))


def report(scores: Scores, folder: Path, rows_per_second: float) -> None:
    """Write scores to the log and, with sample outputs, to MLflow."""
    points = {"test/rows_per_second": rows_per_second}
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
            f"test/{name}": score["value"],
            f"test/{name}_low": score["low"],
            f"test/{name}_high": score["high"],
        }
    for name, values in scores.baselines.items():
        log.info(
            "baseline %s: %s",
            name,
            ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()),
        )
        points |= {f"baseline/{name}_{metric}": value for metric, value in values.items()}
    for name, value in scores.raw_text.items():
        log.info("%s of raw text %.2f", name, value)
        points[f"test/raw_text_{name}"] = value
    now = int(time.time() * 1000)
    log_metrics(scores.mlflow_run, [(name, value, 0, now) for name, value in points.items()])
    signatures = {
        f"refrain.signature.{n}": s["signature"]
        for n, s in scores.metrics.items()
        if s["signature"]
    }
    set_tags(scores.mlflow_run, {"refrain.test_split": scores.test_split, **signatures})
    log_table(scores.mlflow_run, sample_outputs(scores, folder), "outputs.json")


def sample_outputs(scores: Scores, folder: Path) -> pd.DataFrame:
    """Read the first outputs, or the texts that were drawn, as a page shows them."""
    drawn = folder / SAMPLES
    table = pd.read_parquet(drawn if drawn.exists() else folder / OUTPUTS).head(NUM_SAMPLES)
    confidence = find_problem(scores.problem).output.confidence
    table = table.astype({confidence: float} if confidence else {})
    return table.map(
        lambda cell: " ".join(map(str, cell)) if isinstance(cell, np.ndarray) else cell
    )

"""Checkpoint to scores: the field's own metrics on the test split, with intervals and baselines."""

import logging
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from data.format import format_module
from data.tokenizer import Encoder
from rnn_models.baselines import TEXT_BASELINES, UNSPACED_ONLY, find_baseline
from rnn_models.checkpoint import load_model
from rnn_models.metrics import Metric, find_metric, measure
from rnn_models.prediction import predict_all
from rnn_models.problem import Problem, find_problem
from tasks.artifacts import Checkpoint, Scores, TokenSet, digest
from tasks.code_digest import code_digest, path_of
from tasks.raw_text import raw_text_scores
from tasks.registry import log_metrics, log_table, set_tags
from tasks.samples import SAMPLES, write_samples
from tasks.scripts import bleu_tokenizer, scripts_of
from tasks.settings import EvaluationChanges
from tasks.states import unchanged
from tasks.tokenize import streams_of

log = logging.getLogger(__name__)
STATISTICS, BASELINES, OUTPUTS = "statistics.npz", "baselines.npz", "outputs.parquet"
DEFAULTS = EvaluationChanges()
NUM_SAMPLES = 200  # outputs shown in MLflow


@task(task_run_name="evaluate-{checkpoint.dataset}", cache_policy=NO_CACHE)
def evaluate(
    checkpoint: Checkpoint, tokens: TokenSet, settings: EvaluationChanges = DEFAULTS, catalog: str | None = None
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
        metrics = write_results(folder, problem, tokens, said, shown, is_joined=is_joined, tokenizer=tokenizer)
        if problem.token_nats:
            metrics |= write_samples(folder, checkpoint, tokens, sources(tokens))
        baselines = score_baselines(folder, problem, tokens, is_joined=is_joined, tokenizer=tokenizer)
        is_tagger = problem.rows[1] == "tags"
        raw_text = raw_text_scores(checkpoint, tokens, sources(tokens), references(tokens)) if is_tagger else {}
        scores = Scores(
            dataset=checkpoint.dataset, digest=key, problem=problem.name, checkpoint=checkpoint.digest, tokens=tokens.digest,
            mlflow_run=checkpoint.mlflow_run, test_split=tokens.test_split, metrics=metrics, baselines=baselines,
            baseline=choose_baseline(problem, tokens, list(baselines), tokenizer), bleu_tokenizer=tokenizer, raw_text=raw_text,
        )  # fmt: skip
        tell(scores, folder, speed)
        return scores.commit()


def scoring_code(tokens: TokenSet, *alone: str) -> str:
    """A digest of the code that scores models and baselines of a token set's problem."""
    looked_up = [f"rnn_models/problems/{tokens.problem}.py"]
    if tokens.format:
        looked_up.append(path_of(format_module(tokens.format)))
    return code_digest("tasks/evaluate.py", *looked_up, alone=alone, libraries=("torch", "sacrebleu", "scikit-learn"))


def side(tokens: TokenSet, place: int, split: str) -> list[Any]:
    """One side of a split as the publisher wrote it, in the order of the examples; none of a side that is not there."""
    table = tokens.snapshot_of().table(split)
    names = ("", *find_problem(tokens.problem).sides(table.column_names))[-2:]
    column: list[Any] = table[names[place]].to_pylist() if names[place] else [""] * table.num_rows
    return column


def sources(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What goes in."""
    return side(tokens, 0, split)


def references(tokens: TokenSet, split: str = "test") -> list[Any]:
    """What should come out."""
    return side(tokens, 1, split)


def say_all(problem: Problem, model: Any, tokens: TokenSet, split: str = "test") -> tuple[list[Any], dict[str, list[Any]]]:
    """What a model says of each example of a split, as a metric takes it, and what to show of it."""
    return (foretold if problem.token_nats else answered)(problem, model, tokens, split)


def answered(problem: Problem, model: Any, tokens: TokenSet, split: str) -> tuple[list[Any], dict[str, list[Any]]]:
    """What a model answers to each source."""
    encoder, outputs = Encoder.load(tokens.folder), predict_all(problem, model, tokens.examples(split))
    rows = sources(tokens, split)
    said = [encoder.decode(o.ids, copied=o.copied, source=row) for o, row in zip(outputs, rows, strict=True)]
    return said, {"output": said, "score": [output.score for output in outputs]}


def foretold(problem: Problem, model: Any, tokens: TokenSet, split: str) -> tuple[list[Any], dict[str, list[Any]]]:
    """How well a model foresees each text, in nats per token, and the mean probability of a token to show."""
    assert problem.token_nats
    nats = problem.token_nats(model, tokens.examples(split))
    return nats, {"score": [math.exp(-float(costs.mean())) for costs in nats]}


def paired(problem: Problem, said: list[Any], true: list[Any], *, is_joined: bool) -> tuple[list[Any], list[Any]]:
    """What is said and what is true, as a metric takes it: texts that go on, each with the one before, are one text."""
    return ([np.concatenate(said)], ["\n".join(true)]) if is_joined and problem.token_nats else (said, true)


def write_results(
    folder: Path, problem: Problem, tokens: TokenSet, said: list[Any], shown: dict[str, list[Any]],
    *, is_joined: bool, tokenizer: str,
) -> dict[str, dict[str, Any]]:  # fmt: skip
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


def score_of(metric: Metric, said: list[Any], true: list[Any]) -> float:
    """One score of all examples together."""
    return float(metric.score(metric.statistics(said, true).sum(0, keepdims=True))[0])


def cheaply(problem: Problem, tokens: TokenSet, name: str, split: str = "test") -> list[Any]:
    """What a baseline that learns from the training split answers to each row of a split."""
    if name in TEXT_BASELINES:
        return list(TEXT_BASELINES[name](*training_texts(tokens), sources(tokens, split)))
    encoder, answers = Encoder.load(tokens.folder), find_baseline(name)(tokens.examples("train"), tokens.examples(split))
    return answers if problem.token_nats else [encoder.decode(ids) for ids in answers]


def training_texts(tokens: TokenSet) -> tuple[list[Any], list[Any]]:
    """Both sides of the training rows as the publisher wrote them, of those that the limit allows."""
    snapshot = tokens.snapshot_of()
    sides = find_problem(tokens.problem).sides(snapshot.table("test").column_names)
    tables = list(streams_of(snapshot, tokens.limit, sides)["train"])
    first, second = ([row for table in tables for row in table[side].to_pylist()] for side in sides)
    return first, second


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
    gains = {name: metric.gain(validation_score(problem, tokens, name, metric), 0.0) for name in names}
    return max(gains, key=lambda name: gains[name])


def validation_score(problem: Problem, tokens: TokenSet, name: str, metric: Metric) -> float:
    """A baseline's score on the validation rows that have an answer which training rows have too."""
    said, true = cheaply(problem, tokens, name, "validation"), references(tokens, "validation")
    labels = tokens.sizes["labels"]
    known = [bool(problem.token_nats) or not labels or set([row] if isinstance(row, str) else row) <= {*labels} for row in true]
    true = [row for row, is_known in zip(true, known, strict=True) if is_known]
    if len(said) > len(true):  # of raw rows; a token set has no others
        said = [row for row, is_known in zip(said, known, strict=True) if is_known]
    return score_of(metric, said, true)


def best_baseline(scores: Scores) -> tuple[str, float]:
    """Name and test score of the baseline that was best on the validation split.

    In scores of before that was asked it is the best on the test split.
    """
    gain = find_metric(scores.headline).gain
    best = max(scores.baselines, key=lambda name: gain(scores.baselines[name][scores.headline], 0.0))
    name = scores.baseline or best
    return name, scores.baselines[name][scores.headline]


def headline_metric(scores: Scores) -> Metric:
    """The metric that decides, cutting texts as it did for these scores."""
    return find_metric(scores.headline, tokenizer=scores.bleu_tokenizer)


def tell(scores: Scores, folder: Path, rows_per_second: float) -> None:
    """Write scores to the log and, with sample outputs, to MLflow."""
    points = {"test_rows_per_second": rows_per_second}
    for name, score in scores.metrics.items():
        log.info("%s %.2f (%.2f to %.2f) %s", name, score["value"], score["low"], score["high"], score["signature"])
        points |= {f"test_{name}": score["value"], f"test_{name}_low": score["low"], f"test_{name}_high": score["high"]}
    for name, values in scores.baselines.items():
        log.info("baseline %s: %s", name, ", ".join(f"{metric} {value:.2f}" for metric, value in values.items()))
        points |= {f"baseline_{name}_{metric}": value for metric, value in values.items()}
    for name, value in scores.raw_text.items():
        log.info("%s of raw text %.2f", name, value)
        points[f"test_raw_text_{name}"] = value
    now = int(time.time() * 1000)
    log_metrics(scores.mlflow_run, [(name, value, 0, now) for name, value in points.items()])
    signatures = {f"refrain.signature.{n}": s["signature"] for n, s in scores.metrics.items() if s["signature"]}
    set_tags(scores.mlflow_run, {"refrain.test_split": scores.test_split, **signatures})
    drawn = folder / SAMPLES
    samples = pd.read_parquet(drawn if drawn.exists() else folder / OUTPUTS).head(NUM_SAMPLES).astype({"score": float})
    shown = samples.map(lambda cell: " ".join(cell) if isinstance(cell, np.ndarray) else cell)
    log_table(scores.mlflow_run, shown, "outputs.json")

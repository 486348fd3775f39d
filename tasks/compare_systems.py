"""Encoders and baselines compared on one dataset: score, minutes, parameters, speed."""

import json
import logging
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, cast, get_args

from data.errors import nearest
from rnn_models.batching.batch import Examples
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.evaluation.baselines import find_baseline
from rnn_models.evaluation.metric import measure
from rnn_models.evaluation.metrics import find_metric
from rnn_models.layers.encoder import has_recurrence
from rnn_models.problem import Problem, find_problem
from rnn_models.settings import Encoder as EncoderName
from tasks.evaluate import baselines_of, scoring_code
from tasks.scoring.outputs import (
    predict_baseline,
    predict_split,
    references,
    training_texts,
)
from tasks.settings import TrainChanges, changes
from tasks.store.artifacts import SystemScores, TokenSet
from tasks.store.code import digest
from tasks.task_states import directly
from tasks.train import train

log = logging.getLogger(__name__)
SPLITS = ("validation", "test")
ENCODERS: tuple[str, ...] = get_args(EncoderName)


def check_comparison(encoders: Sequence[str], settings: TrainChanges, split: str) -> None:
    """Check the request for a comparison, before anything is read.

    Raises:
        ValueError: If it is wrong; with the request and the choices.
    """
    for name in encoders:
        if name not in ENCODERS:
            raise ValueError(
                f"there is no encoder {name!r}: {nearest(name, ENCODERS)} "
                "(DATASET comes before --encoders)"
            )
    if split not in SPLITS:
        raise ValueError(f"--split must be one of {', '.join(SPLITS)}, got {split!r}")
    if "encoder" in changes(settings):
        raise ValueError(
            "training.encoder cannot be set in a comparison: use --encoders, as in "
            "--encoders lstm cnn"
        )


def compare(
    tokens: TokenSet,
    encoders: Sequence[str],
    settings: TrainChanges,
    split: str,
    tokenizer: str = "",
) -> list[dict[str, Any]]:
    """Score a problem's baselines and some encoders on a split; reuse earlier results.

    Returns:
        A row for each system: the fields of ``SystemScores``, and ``note``,
        which names other differences, or the reason for missing scores.

    Raises:
        ValueError: If no encoder has scores.
    """
    problem = find_problem(tokens.problem)
    rows = [
        asdict(baseline_scores(tokens, problem, name, split, tokenizer)) | {"note": ""}
        for name in baselines_of(problem, tokens)
    ]
    trained = [
        encoder_row(tokens, problem, name, with_encoder(settings, name), split, tokenizer)
        for name in dict.fromkeys(encoders)
    ]
    if not any(row["metrics"] for row in trained):
        raise ValueError("\n".join(f"{row['system']}: {row['note']}" for row in trained))
    return rows + trained


def with_encoder(settings: TrainChanges, name: str) -> TrainChanges:
    """Return settings with another encoder."""
    return replace(settings, encoder=cast(EncoderName, name))


def encoder_row(
    tokens: TokenSet,
    problem: Problem,
    name: str,
    settings: TrainChanges,
    split: str,
    tokenizer: str,
) -> dict[str, Any]:
    """Train an encoder and score it, or give the reason for missing scores."""
    try:
        note = encoder_note(tokens, problem, settings)
        return asdict(encoder_scores(tokens, problem, name, settings, split, tokenizer)) | {
            "note": note
        }
    except (ValueError, FloatingPointError) as error:
        log.warning("%s has no scores: %s", name, error)
        return {"system": name, "metrics": {}, "note": f"no scores: {error}"}


def encoder_note(tokens: TokenSet, problem: Problem, settings: TrainChanges) -> str:
    """Describe the recurrent parts of a model with a convolutional encoder."""
    chosen = problem.defaults.with_changes(changes(settings))
    if chosen.encoder != "cnn" or not has_recurrence(problem.build(tokens.model_sizes(), chosen)):
        return ""
    return "it encodes the source only; the decoder or the character encoder is still an LSTM"


def encoder_scores(
    tokens: TokenSet,
    problem: Problem,
    name: str,
    settings: TrainChanges,
    split: str,
    tokenizer: str,
) -> SystemScores:
    """Train as a retraining would, or reuse its checkpoint, and score it on a split."""
    checkpoint = directly(train, tokens, settings)
    code = scoring_code(tokens, "tasks/compare_systems.py")
    key = digest(checkpoint.digest, tokens.snapshot_of().splits[split], split, code, tokenizer)
    with SystemScores.once(tokens.dataset, key) as (found, _):
        if found:
            return found
        _, model = load_model(checkpoint.folder)
        examples = tokens.examples(split)
        started = time.perf_counter()
        predictions, _ = predict_split(problem, model, tokens, split)
        seconds = time.perf_counter() - started
        steps = json.loads((checkpoint.folder / "history.json").read_text())["steps"]
        return system_scores(
            tokens,
            problem,
            key,
            name,
            split,
            predictions,
            tokenizer,
            checkpoint=checkpoint.digest,
            minutes=checkpoint.train_seconds / 60,
            num_parameters=checkpoint.num_parameters,
            train_tokens_per_second=statistics.median(step["tokens_per_second"] for step in steps),
            predict_tokens_per_second=num_tokens(examples) / seconds,
        )


def baseline_scores(
    tokens: TokenSet, problem: Problem, name: str, split: str, tokenizer: str
) -> SystemScores:
    """Score a baseline on a split; its time covers fitting and predicting together."""
    code = scoring_code(tokens, "tasks/compare_systems.py")
    key = digest(tokens.digest, name, tokens.snapshot_of().splits[split], split, code, tokenizer)
    with SystemScores.once(tokens.dataset, key) as (found, _):
        if found:
            return found
        baseline = find_baseline(name)
        examples = tokens.examples("train")
        started = time.perf_counter()
        predictions = predict_baseline(problem, tokens, name, split)
        seconds = time.perf_counter() - started
        return system_scores(
            tokens,
            problem,
            key,
            name,
            split,
            predictions,
            tokenizer,
            checkpoint="",
            minutes=seconds / 60,
            num_parameters=baseline.num_learnt(
                *(training_texts(tokens) if baseline.reads_texts else (examples,))
            ),
            train_tokens_per_second=num_tokens(examples) / seconds,
            predict_tokens_per_second=None,
        )


def num_tokens(examples: Examples) -> int:
    """Count the source tokens, or the target tokens of a problem without a source."""
    return int(examples.source.lengths.sum()) or int(examples.target.lengths.sum())


def system_scores(
    tokens: TokenSet,
    problem: Problem,
    key: str,
    name: str,
    split: str,
    predictions: list[Any],
    tokenizer: str,
    **costs: Any,
) -> SystemScores:
    """Score the predictions of a system, and store the scores."""
    expected = references(tokens, split)
    metrics = {}
    for metric in (find_metric(name, tokenizer=tokenizer) for name in problem.metrics):
        metrics[metric.name] = asdict(measure(metric, metric.statistics(predictions, expected)))
    return SystemScores(
        dataset=tokens.dataset,
        digest=key,
        tokens=tokens.digest,
        system=name,
        split=split,
        split_digest=tokens.snapshot_of().splits[split],
        metrics=metrics,
        **costs,
    ).commit()


def comparison_page(tokens: TokenSet, rows: Sequence[dict[str, Any]], split: str) -> str:
    """Write the comparison in Markdown."""
    metric = find_metric(find_problem(tokens.problem).metrics[0])
    head = f"## {tokens.dataset}: {metric.title} on the {split} split"
    rank = sorted(
        rows,
        key=lambda row: (
            metric.gain(row["metrics"][metric.name]["value"], 0.0) if row["metrics"] else -math.inf
        ),
    )
    rank.reverse()
    signature = next(
        (row["metrics"][metric.name]["signature"] for row in rows if row["metrics"]), ""
    )
    notes = [f"- {row['system']}: {row['note']}" for row in rank if row["note"]]
    about = (
        f"Trained on {tokens.rows['train']:,} rows, scored on {tokens.rows[split]:,}; the settings "
        "differ in the encoder only. Minutes of an encoder: training with validation; of a "
        "baseline: fitting and predicting. Speeds are in source tokens per second."
    ) + (f" {metric.title}: `{signature}`." if signature else "")
    return (
        "\n\n".join(
            [
                head,
                "\n".join(_lines(rank, metric.name)),
                about,
                *(["\n".join(notes)] if notes else []),
            ]
        )
        + "\n"
    )


def _lines(rows: Sequence[dict[str, Any]], metric: str) -> Iterator[str]:
    yield "| system | score | 95 % interval | min | parameters | tokens/s | tokens/s predicting |"
    yield "|---|---:|---|---:|---:|---:|---:|"
    for row in rows:
        if not row["metrics"]:
            yield f"| {row['system']} | - | | | | | |"
            continue
        score = row["metrics"][metric]
        speed = row["predict_tokens_per_second"]
        yield (
            f"| {row['system'].replace('_', ' ')} | {score['value']:.1f} "
            f"| {score['low']:.1f} to {score['high']:.1f} | {row['minutes']:.2f} "
            f"| {row['num_parameters']:,} | {row['train_tokens_per_second']:,.0f} "
            f"| {f'{speed:,.0f}' if speed else '-'} |"
        )

"""The evidence for a promotion: challenger and champion compared on the same test split."""

from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.significance import Comparison, compare, compare_classes
from rnn_models.problem import find_problem
from tasks.inference.isolation import predict_apart
from tasks.promotion.rule import Evidence, check_guards, improving_words
from tasks.scoring.evaluation import (
    Evaluation,
    evaluate_predictions,
    load_baseline,
    load_evaluation,
)
from tasks.scoring.outputs import best_baseline, references
from tasks.scoring.raw_rows import raw_rows
from tasks.serving.predict_table import LONG_TEXTS
from tasks.settings import PromotionChanges, PromotionSettings, changes
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, TokenSet


def gather(
    challenger: ModelVersion,
    champion: str | None,
    scores: Scores,
    tokens: TokenSet,
    settings: PromotionSettings,
) -> Evidence:
    """Compare a challenger with the champion or, if there is none, with the best baseline.

    Raises:
        ValueError: If a guard names no class, or the two cannot be compared.
    """
    check_promotion(tokens, settings)
    ours = load_evaluation(scores)
    evidence = Evidence(metric=ours.metric, score=scores.metrics[scores.headline]["value"])
    if champion == challenger.version:
        return replace(evidence, against=f"version {champion} itself", is_champion=True)
    baseline = best_baseline(scores)[0] if champion is None else ""
    against = baseline.replace("_", " ") or f"champion version {champion}"
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    improving = improving_words(checkpoint) if checkpoint else ""
    evidence = replace(evidence, against=against, is_first=champion is None, improving=improving)
    if settings.policy == "always":
        return evidence
    if champion is None:
        return replace(
            evidence, comparison=compared(ours, load_baseline(scores, baseline), settings)
        )
    predictions = predict_champion(challenger.name, champion, tokens)
    theirs = evaluate_champion(predictions, ours, scores, tokens)
    return replace(
        evidence,
        comparison=compared(ours, theirs, settings),
        classes=compare_classes(ours.classes, theirs.classes),
    )


def predict_champion(name: str, version: str, tokens: TokenSet) -> list[Any]:
    """Let the champion predict the challenger's test split, from its raw rows."""
    return predict_rows(name, version, tokens.snapshot_of().table("test"), tokens)


def predict_rows(name: str, version: str, rows: pa.Table, tokens: TokenSet) -> list[Any]:
    """Let a version predict rows, and give the predictions as a metric takes them."""
    kind = find_problem(tokens.problem).output
    parameters = {**LONG_TEXTS, **kind.scoring_parameters}
    table = predict_apart(name, version, raw_rows(rows, tokens), parameters)
    answers = {str(column): table[column].tolist() for column in table}
    return kind.served_predictions(answers) if kind.served_predictions else answers[kind.column]


def evaluate_champion(
    predictions: list[Any], ours: Evaluation, scores: Scores, tokens: TokenSet
) -> Evaluation:
    """Score a champion's predictions as those of the challenger were scored."""
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    is_joined = bool(checkpoint and checkpoint.settings.get("joined_texts"))
    pairs = partial(find_problem(scores.problem).output.pairs, is_joined=is_joined)
    return evaluate_predictions(ours.metric, predictions, references(tokens), pairs)


def compared(ours: Evaluation, theirs: Evaluation, settings: PromotionSettings) -> Comparison:
    """Compare the statistics of a challenger with others of the same examples.

    Raises:
        ValueError: If they are not of the same examples.
    """
    try:
        return compare(ours.metric, ours.statistics, theirs.statistics, alpha=settings.alpha)
    except ValueError as error:
        raise ValueError(
            f"{error}; promotion.policy=always promotes without a comparison"
        ) from error


def check_promotion(tokens: TokenSet, settings: PromotionChanges) -> None:
    """Check the settings that depend on the data; a retraining does so before it trains.

    Raises:
        ValueError: If a guard names a class that the test split does not have.
    """
    if settings.guards:
        targets = references(tokens)
        metric = find_metric(find_problem(tokens.problem).metrics[0])
        classes = metric.classes(targets, targets) if metric.classes else {}
        check_guards(list(classes), PromotionSettings(**changes(settings)))

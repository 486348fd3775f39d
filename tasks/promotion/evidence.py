"""What a promotion is decided from: the challenger compared with the champion on the same test split."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.evaluation.metrics import Statistics, find_metric
from rnn_models.evaluation.significance import ClassChange, Comparison, compare, compare_classes
from rnn_models.problem import find_problem
from tasks.inference.isolation import predict_apart
from tasks.promotion.rule import Evidence, check_guards, improving_words
from tasks.scoring.outputs import (
    BASELINES,
    OUTPUTS,
    STATISTICS,
    best_baseline,
    headline_metric,
    paired,
    references,
)
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
    metric, value = scores.headline, scores.metrics[scores.headline]["value"]
    check_promotion(tokens, settings)
    if champion == challenger.version:
        return Evidence(
            metric=metric, score=value, against=f"version {champion} itself", is_champion=True
        )
    baseline = best_baseline(scores)[0] if champion is None else ""
    against = baseline.replace("_", " ") or f"champion version {champion}"
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    improving = improving_words(checkpoint) if checkpoint else ""
    evidence = Evidence(
        metric=metric, score=value, against=against, is_first=champion is None, improving=improving
    )
    if settings.policy == "always":
        return evidence
    if champion is None:
        cheap: Statistics = np.load(scores.folder / BASELINES)[baseline]
        return replace(evidence, comparison=compared(scores, cheap, settings))
    said = score_champion(challenger.name, champion, scores, tokens)
    comparison = compared(scores, statistics_of(said, scores, tokens), settings)
    return replace(
        evidence,
        comparison=comparison,
        classes=changes_of_classes(scores, said, references(tokens)),
    )


def score_champion(name: str, version: str, scores: Scores, tokens: TokenSet) -> list[Any]:
    """Let the champion predict the challenger's test split, from its raw texts: what it says of each example."""
    rows, target = raw_rows(tokens.snapshot_of().table("test"), tokens)
    is_foretold = find_problem(scores.problem).token_nats is not None
    predicted = predict_apart(
        name, version, rows, {**LONG_TEXTS, "judge": True} if is_foretold else LONG_TEXTS
    )
    return (
        [np.asarray(nats) for nats in predicted["nats"]]
        if is_foretold
        else predicted[target].tolist()
    )


def statistics_of(said: list[Any], scores: Scores, tokens: TokenSet) -> Statistics:
    """The headline's statistics of what a champion says, made as those of the challenger were."""
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    is_joined = bool(checkpoint and checkpoint.settings.get("joined_texts"))
    problem = find_problem(scores.problem)
    return headline_metric(scores).statistics(
        *paired(problem, said, references(tokens), is_joined=is_joined)
    )


def compared(scores: Scores, theirs: Statistics, settings: PromotionSettings) -> Comparison:
    """Compare a challenger's statistics, as evaluation left them, with others of the same examples.

    Raises:
        ValueError: If they are not of the same examples.
    """
    ours = np.load(scores.folder / STATISTICS)[scores.headline]
    try:
        return compare(headline_metric(scores), ours, theirs, alpha=settings.alpha)
    except ValueError as error:
        raise ValueError(
            f"{error}; promotion.policy=always promotes without a comparison"
        ) from error


def changes_of_classes(scores: Scores, said: list[Any], true: list[Any]) -> list[ClassChange]:
    """How each class or kind of entity fares with the challenger, none where answers have no classes."""
    ours = (
        pd.read_parquet(scores.folder / OUTPUTS)["output"].tolist()
        if find_metric(scores.headline).classes
        else []
    )
    return compare_classes(
        classes_of(scores.headline, ours, true), classes_of(scores.headline, said, true)
    )


def classes_of(metric: str, said: list[Any], true: list[Any]) -> dict[str, Statistics]:
    """Statistics of each class under a metric."""
    classes = find_metric(metric).classes
    return classes(said, true) if classes else {}


def check_promotion(tokens: TokenSet, settings: PromotionChanges) -> None:
    """Check what of the settings depends on the data; a retraining does so before it trains.

    Raises:
        ValueError: If a guard names a class that the test split does not have.
    """
    if settings.guards:
        true = references(tokens)
        chosen = PromotionSettings(**changes(settings))
        check_guards(list(classes_of(find_problem(tokens.problem).metrics[0], true, true)), chosen)

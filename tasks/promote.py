"""Champion against challenger, on the same frozen test split."""

import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.comparison import ClassChange, Comparison, compare, compare_classes
from rnn_models.metrics import Statistics, find_metric
from rnn_models.problem import find_problem
from tasks import registry
from tasks.answers import LONG_TEXTS
from tasks.apart import predict_apart
from tasks.artifacts import Checkpoint, ModelVersion, Promotion, Scores, TokenSet, digest
from tasks.card import keep_card
from tasks.champions import rival, settle, was_overtaken, withdrawn
from tasks.code_digest import code_digest
from tasks.decision import Evidence, check_guards, decide, improving_words, tags_of
from tasks.evaluate import BASELINES, OUTPUTS, STATISTICS, best_baseline, headline_metric, paired, references
from tasks.parity import check_parity
from tasks.register import raw_rows
from tasks.report import promotion_page
from tasks.settings import PromotionChanges, PromotionSettings, changes
from tasks.states import unchanged

log = logging.getLogger(__name__)


@task(task_run_name="promote-{challenger.name}", cache_policy=NO_CACHE, retries=3, retry_condition_fn=was_overtaken)
def promote(challenger: ModelVersion, scores: Scores, tokens: TokenSet, settings: PromotionChanges) -> Promotion:
    """Make the challenger champion if the policy is satisfied, and write down why or why not."""
    name, chosen = challenger.name, PromotionSettings(**changes(settings))
    champion = registry.version_with_alias(name, registry.CHAMPION)
    taken_back = withdrawn(name, challenger.version)
    decided_against = rival(name, challenger.version, champion)
    key = digest(
        challenger.version, decided_against, scores.digest, scores.test_split, asdict(chosen), deciding_code(), taken_back
    )  # fmt: skip
    found = Promotion.find(name, key)
    if found:
        return unchanged(found.seen_now(registry.aliases_of(name, challenger.version)))
    with Promotion.making(name, key):
        evidence = gather(challenger, champion, scores, tokens, chosen)
        is_promoted, reason = decide(evidence, chosen)
        if is_promoted:
            check_parity(challenger, scores, tokens)
        is_promoted, reason = settle(challenger, champion, is_promoted=is_promoted, why=reason, scores=scores, decision=key)
        log.info(reason)
        promotion = written(key, challenger, champion, scores, evidence, chosen, is_promoted=is_promoted, reason=reason)
        registry.set_version_tags(name, challenger.version, tags_of(promotion))
        keep_card(challenger, tokens, scores, promotion)
        promotion_page(promotion, scores)
        return promotion.commit()


def deciding_code() -> str:
    """A digest of the code that decides about a champion."""
    return code_digest("tasks/decision.py", "rnn_models/comparison.py", alone=["tasks/promote.py"])


def check_promotion(tokens: TokenSet, settings: PromotionChanges) -> None:
    """Check what of the settings depends on the data; a retraining does so before it trains.

    Raises:
        ValueError: If a guard names a class that the test split does not have.
    """
    if settings.guards:
        true = references(tokens)
        chosen = PromotionSettings(**changes(settings))
        check_guards(list(classes_of(find_problem(tokens.problem).metrics[0], true, true)), chosen)


def gather(
    challenger: ModelVersion, champion: str | None, scores: Scores, tokens: TokenSet, settings: PromotionSettings
) -> Evidence:
    """Compare a challenger with the champion or, if there is none, with the best baseline.

    Raises:
        ValueError: If a guard names no class, or the two cannot be compared.
    """
    metric, value = scores.headline, scores.metrics[scores.headline]["value"]
    check_promotion(tokens, settings)
    if champion == challenger.version:
        return Evidence(metric=metric, score=value, against=f"version {champion} itself", is_champion=True)
    baseline = best_baseline(scores)[0] if champion is None else ""
    against = baseline.replace("_", " ") or f"champion version {champion}"
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    improving = improving_words(checkpoint) if checkpoint else ""
    evidence = Evidence(metric=metric, score=value, against=against, is_first=champion is None, improving=improving)
    if settings.policy == "always":
        return evidence
    if champion is None:
        cheap: Statistics = np.load(scores.folder / BASELINES)[baseline]
        return replace(evidence, comparison=compared(scores, cheap, settings))
    said = score_champion(challenger.name, champion, scores, tokens)
    comparison = compared(scores, statistics_of(said, scores, tokens), settings)
    return replace(evidence, comparison=comparison, classes=changes_of_classes(scores, said, references(tokens)))


def score_champion(name: str, version: str, scores: Scores, tokens: TokenSet) -> list[Any]:
    """Let the champion predict the challenger's test split, from its raw texts: what it says of each example."""
    rows, target = raw_rows(tokens.snapshot_of().table("test"), tokens)
    is_foretold = find_problem(scores.problem).token_nats is not None
    predicted = predict_apart(name, version, rows, {**LONG_TEXTS, "judge": True} if is_foretold else LONG_TEXTS)
    return [np.asarray(nats) for nats in predicted["nats"]] if is_foretold else predicted[target].tolist()


def statistics_of(said: list[Any], scores: Scores, tokens: TokenSet) -> Statistics:
    """The headline's statistics of what a champion says, made as those of the challenger were."""
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    is_joined = bool(checkpoint and checkpoint.settings.get("joined_texts"))
    problem = find_problem(scores.problem)
    return headline_metric(scores).statistics(*paired(problem, said, references(tokens), is_joined=is_joined))


def compared(scores: Scores, theirs: Statistics, settings: PromotionSettings) -> Comparison:
    """Compare a challenger's statistics, as evaluation left them, with others of the same examples.

    Raises:
        ValueError: If they are not of the same examples.
    """
    ours = np.load(scores.folder / STATISTICS)[scores.headline]
    try:
        return compare(headline_metric(scores), ours, theirs, alpha=settings.alpha)
    except ValueError as error:
        raise ValueError(f"{error}; promotion.policy=always promotes without a comparison") from error


def changes_of_classes(scores: Scores, said: list[Any], true: list[Any]) -> list[ClassChange]:
    """How each class or kind of entity fares with the challenger, none where answers have no classes."""
    ours = pd.read_parquet(scores.folder / OUTPUTS)["output"].tolist() if find_metric(scores.headline).classes else []
    return compare_classes(classes_of(scores.headline, ours, true), classes_of(scores.headline, said, true))


def classes_of(metric: str, said: list[Any], true: list[Any]) -> dict[str, Statistics]:
    """Statistics of each class under a metric."""
    classes = find_metric(metric).classes
    return classes(said, true) if classes else {}


def written(
    key: str, challenger: ModelVersion, champion: str | None, scores: Scores, evidence: Evidence, settings: PromotionSettings,
    *, is_promoted: bool, reason: str,
) -> Promotion:  # fmt: skip
    """The decision as a noun."""
    found, other = evidence.comparison, champion if champion != challenger.version else None
    return Promotion(
        dataset=challenger.name, digest=key, version=challenger.version, is_promoted=is_promoted, reason=reason,
        metric=scores.headline, challenger_score=evidence.score, champion_version=other or "",
        champion_score=found.theirs if found and other else None, scores=scores.digest, mlflow_run=challenger.mlflow_run,
        against=evidence.against, comparison=asdict(found) if found else {}, classes=[asdict(c) for c in evidence.classes],
        settings=asdict(settings), aliases=registry.aliases_of(challenger.name, challenger.version),
    )  # fmt: skip

"""Champion against challenger, on the same frozen test split."""

import logging

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.metrics import find_metric
from rnn_models.problem import find_problem
from tasks import registry
from tasks.apart import predict_apart
from tasks.artifacts import ModelVersion, Promotion, Scores, TokenSet, code_digest, digest
from tasks.evaluate import best_baseline, references, score_of
from tasks.parity import check_parity
from tasks.register import raw_rows
from tasks.report import promotion_page
from tasks.settings import PromotionSettings
from tasks.states import unchanged

log = logging.getLogger(__name__)


@task(task_run_name="promote-{challenger.name}", cache_policy=NO_CACHE)
def promote(challenger: ModelVersion, scores: Scores, tokens: TokenSet, settings: PromotionSettings) -> Promotion:
    """Make the challenger champion if it is better, and write down why or why not."""
    name = challenger.name
    champion = registry.version_with_alias(name, registry.CHAMPION)
    against = champion if champion != challenger.version else None
    code = code_digest("tasks/promote.py", "rnn_models/metrics.py")
    key = digest(challenger.version, scores.digest, scores.test_split, settings.min_gain, code)
    found = Promotion.find(name, key)
    if found and (champion == challenger.version or found.champion_version == (champion or "")):
        return unchanged(found.seen_now(registry.aliases_of(name, challenger.version)))
    with Promotion.making(name, key):
        champion_score = None if against is None else score_champion(name, against, scores, tokens)
        is_promoted, reason = decide(scores, against, champion_score, settings)
        if is_promoted:
            check_parity(challenger, scores, tokens)
            registry.set_alias(name, registry.CHAMPION, challenger.version)
        log.info(reason)
        promotion = Promotion(
            dataset=name, digest=key, version=challenger.version, is_promoted=is_promoted, reason=reason,
            metric=scores.headline, challenger_score=scores.metrics[scores.headline]["value"],
            champion_version=against or "", champion_score=champion_score, scores=scores.digest,
            mlflow_run=challenger.mlflow_run, aliases=registry.aliases_of(name, challenger.version),
        ).commit()  # fmt: skip
        promotion_page(promotion, scores)
        return promotion


def score_champion(name: str, version: str, scores: Scores, tokens: TokenSet) -> float:
    """Let the champion predict the challenger's test split, from its raw texts, and score it."""
    rows, target = raw_rows(tokens.snapshot_of().table("test"), tokens)
    is_foretold = find_problem(scores.problem).token_nats is not None
    predicted = predict_apart(name, version, rows, {"judge": True} if is_foretold else {})
    said = [np.asarray(nats) for nats in predicted["nats"]] if is_foretold else predicted[target].tolist()
    return score_of(scores.headline, said, references(tokens))


def decide(scores: Scores, champion: str | None, champion_score: float | None, settings: PromotionSettings) -> tuple[bool, str]:
    """Say whether the challenger becomes champion, and why, in a sentence.

    The first of its name must beat the cheap systems; any other the champion,
    by ``min_gain`` at least. Equal scores keep the champion.
    """
    metric, ours = scores.headline, scores.metrics[scores.headline]["value"]
    gain_over = find_metric(metric).gain
    if champion is None or champion_score is None:
        baseline, cheap = best_baseline(scores)
        if gain_over(ours, cheap) > 0:
            return True, f"first champion: {metric} {ours:.2f} beats {baseline}'s {cheap:.2f}"
        return False, f"not promoted: {metric} {ours:.2f} does not beat {baseline}'s {cheap:.2f}"
    gain = gain_over(ours, champion_score)
    if gain > settings.min_gain:
        return True, f"promoted: {metric} {ours:.2f}, {gain:+.2f} against champion version {champion}'s {champion_score:.2f}"
    return False, (
        f"not promoted: {metric} {ours:.2f}, {gain:+.2f} against champion version {champion}'s {champion_score:.2f}, "
        f"needs more than {settings.min_gain:+.2f}"
    )

"""Champion against challenger, on the same frozen test split."""

import logging
from dataclasses import asdict

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.pages.model_card import keep_card
from tasks.pages.retraining import retraining_page
from tasks.pages.run_page import keep_run_page
from tasks.promotion.champions import rival, settle, was_overtaken, withdrawn
from tasks.promotion.evidence import gather
from tasks.promotion.parity import check_parity
from tasks.promotion.questions import ask, at, end_of_question, expire, is_void, latest
from tasks.promotion.rule import Evidence, compared_words, decide, tags_of
from tasks.registry import mlflow_client
from tasks.registry.version_facts import keep_facts
from tasks.settings import PromotionChanges, PromotionSettings, changes
from tasks.store.artifacts import ModelVersion, Promotion, Scores, TokenSet
from tasks.store.code import code_digest, digest
from tasks.task_states import unchanged

log = logging.getLogger(__name__)


@task(
    task_run_name="promote-{challenger.name}",
    cache_policy=NO_CACHE,
    retries=3,
    retry_condition_fn=was_overtaken,
)
def promote(
    challenger: ModelVersion, scores: Scores, tokens: TokenSet, settings: PromotionChanges
) -> Promotion:
    """Make the challenger champion if the policy is satisfied, and record the reason."""
    name = challenger.name
    chosen = PromotionSettings(**changes(settings))
    expire(name)
    champion = mlflow_client.version_with_alias(name, mlflow_client.CHAMPION)
    key = digest(
        challenger.version,
        rival(name, challenger.version, champion),
        scores.digest,
        scores.test_split,
        asdict(chosen),
        deciding_code(),
        withdrawn(name, challenger.version),
    )

    def is_current(promotion: Promotion) -> bool:
        # A champion whose alias is gone, with MLflow's database or by hand, is promoted again.
        is_promoted = latest(promotion).is_promoted
        return not is_void(promotion) and (not is_promoted or champion is not None)

    with Promotion.once(name, key, is_current=is_current) as (found, _):
        if found:
            aliases = mlflow_client.aliases_of(name, challenger.version)
            promotion = latest(found).seen_now(aliases, challenger.mlflow_run)
            retraining_page(promotion, scores, tokens)
            return unchanged(promotion)
        evidence = gather(challenger, champion, scores, tokens, chosen)
        is_promoted, reason, until = carried_out(
            challenger, champion, evidence, scores, tokens, chosen, decision=key
        )
        log.info(reason)
        promotion = written(
            key,
            challenger,
            champion,
            scores,
            evidence,
            chosen,
            is_promoted=is_promoted,
            reason=reason,
            asked_until=until,
        )
        keep_facts(name, challenger.version, tags_of(promotion))
        keep_card(challenger, tokens, scores, promotion)
        keep_run_page(scores, tokens, promotion)
        promotion.commit()
        retraining_page(promotion, scores, tokens)
        return promotion


def carried_out(
    challenger: ModelVersion,
    champion: str | None,
    evidence: Evidence,
    scores: Scores,
    tokens: TokenSet,
    settings: PromotionSettings,
    *,
    decision: str,
) -> tuple[bool, str, str]:
    """Decide, and move the aliases or ask a person.

    Returns:
        Whether the challenger is promoted, the reason, and until when a person is asked, if one is.
    """
    is_promoted, reason = decide(evidence, settings)
    if is_promoted:
        check_parity(challenger, scores, tokens)
    is_asked = settings.policy == "ask" and is_promoted and not evidence.is_champion
    if is_asked and not withdrawn(challenger.name, challenger.version):
        until = end_of_question(settings.ask_hours)
        why = question(evidence, until)
        line = ask(challenger, champion, why=why, until=until, scores=scores, decision=decision)
        return False, line.why, line.until
    is_promoted, reason = settle(
        challenger, champion, is_promoted=is_promoted, why=reason, scores=scores, decision=decision
    )
    return is_promoted, reason, ""


def question(evidence: Evidence, until: str) -> str:
    """Describe what a person decides."""
    assert evidence.comparison, "policy ask compares"
    compared = compared_words(evidence, evidence.comparison)
    return f"waits for a person until {at(until)}, the rule would promote it: {compared}"


def deciding_code() -> str:
    """Digest the code that decides about a champion."""
    return code_digest(
        "tasks/promotion/rule.py",
        "rnn_models/evaluation/significance.py",
        alone=["tasks/promote.py"],
    )


def written(
    key: str,
    challenger: ModelVersion,
    champion: str | None,
    scores: Scores,
    evidence: Evidence,
    settings: PromotionSettings,
    *,
    is_promoted: bool,
    reason: str,
    asked_until: str,
) -> Promotion:
    """Make the artifact of the decision."""
    found = evidence.comparison
    other = champion if champion != challenger.version else None
    return Promotion(
        dataset=challenger.name,
        digest=key,
        version=challenger.version,
        is_promoted=is_promoted,
        reason=reason,
        metric=scores.headline,
        challenger_score=evidence.score,
        champion_version=other or "",
        champion_score=found.theirs if found and other else None,
        scores=scores.digest,
        mlflow_run=challenger.mlflow_run,
        against=evidence.against,
        comparison=asdict(found) if found else {},
        classes=[asdict(c) for c in evidence.classes],
        settings=asdict(settings),
        aliases=mlflow_client.aliases_of(challenger.name, challenger.version),
        asked_until=asked_until,
    )

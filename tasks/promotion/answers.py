"""Answers to questions: carried out in the registry, and written to the version's page."""

from tasks.pages.model_card import keep_card
from tasks.promotion.questions import latest, settle_question
from tasks.promotion.rule import tags_of
from tasks.registry import mlflow_client
from tasks.registry.version_facts import keep_facts
from tasks.store.artifacts import ModelVersion, Promotion, Scores, TokenSet
from tasks.store.home import home


def settle(promotion: Promotion, *, is_promoted: bool, by: str, why: str = "") -> Promotion:
    """Carry out the answer of a person, unless the question ended before; return the decision.

    Args:
        promotion: The decision that waits.
        is_promoted: The answer.
        by: The person.
        why: The reason, empty if there is none.
    """
    name = promotion.dataset
    settle_question(name, promotion.digest, is_promoted=is_promoted, by=by, why=why)
    return recorded(promotion)


def recorded(promotion: Promotion) -> Promotion:
    """Write how a question ended to the version's tags and card, and return the decision."""
    name = promotion.dataset
    aliases = mlflow_client.aliases_of(name, promotion.version)
    made = latest(promotion).seen_now(aliases, promotion.mlflow_run)
    challenger, scores, tokens = made_from(promotion)
    keep_facts(name, made.version, tags_of(made))
    if made.decided_by:
        keep_card(challenger, tokens, scores, made)
    return made


def made_from(promotion: Promotion) -> tuple[ModelVersion, Scores, TokenSet]:
    """Find the version, the scores and the token set that a decision is about.

    Raises:
        ValueError: If they were removed from the store.
    """
    name = promotion.dataset
    scores = Scores.find(name, promotion.scores)
    tokens = TokenSet.find(name, scores.tokens) if scores else None
    if scores is None or tokens is None:
        raise ValueError(
            f"{name}: the scores of version {promotion.version} are missing in {home()}; refrain "
            f"run {name} makes them again"
        )
    version = ModelVersion(name, promotion.version, promotion.mlflow_run, scores.digest)
    return version, scores, tokens

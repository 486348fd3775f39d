"""A registered version trained again: the task of the flow, and its page."""

import logging
import time

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.pages.replay import describe_result, replay_text
from tasks.pages.run_pages import publish
from tasks.registry.registered_training import TOKENS, Past, find_past
from tasks.registry.replay_report import Replay, compared, facts_of
from tasks.registry.training_run import run_params
from tasks.registry.versions import SNAPSHOT
from tasks.settings import parse_settings
from tasks.store.artifacts import Snapshot, TokenSet
from tasks.store.home import home
from tasks.task_states import completed, directly
from tasks.tokenize import tokenize
from tasks.train import fit_tokens

log = logging.getLogger(__name__)


@task(task_run_name="replay-{model}", cache_policy=NO_CACHE)
def train_again(model: str, version: str, catalog: str | None = None) -> Replay:
    """Train a version again and compare its weights; register and store nothing."""
    past = find_past(model, version)
    tokens = tokens_of(past, catalog)
    started = time.monotonic()
    facts = facts_of(past, tokens)
    log.info(
        "%s version %s is trained again, on snapshot %s", past.name, past.number, tokens.snapshot
    )
    for fact in (fact for fact in facts if fact.differs):
        log.warning("%s: %s then, %s now; weights may differ", fact.what, fact.then, fact.now)
    history = fit_tokens(past.problem, tokens, past.train_settings())
    minutes = (time.monotonic() - started) / 60
    made = compared(past, history.weights, facts, epochs=len(history.epochs), minutes=minutes)
    log.info("%s version %s: %s", made.model, made.version, describe_result(made))
    publish("replay", made.model, replay_text(made), describe_result(made))
    return completed(
        made, "Identical" if made.is_identical else "Differs", "the version was trained again"
    )


def tokens_of(past: Past, catalog: str | None = None) -> TokenSet:
    """Find the token set of a version, or make it again from its snapshot.

    Raises:
        ValueError: If the snapshot is missing too, or the catalogs lack the dataset.
    """
    found = TokenSet.find(past.name, past.tags[TOKENS])
    if found:
        return found
    snapshot = Snapshot.find(past.name, past.tags[SNAPSHOT])
    if snapshot is None:
        raise ValueError(
            f"{past.name} version {past.number} cannot be trained again: neither its token set "
            f"{past.tags[TOKENS]} nor its snapshot {past.tags[SNAPSHOT]} is in {home()}. They were "
            "pruned, or it was trained with another store: set REFRAIN_HOME to a store that has "
            f"them, or restore {Snapshot.folder_of(past.name, past.tags[SNAPSHOT])}"
        )
    log.info(
        "token set %s is not in the store: made again from snapshot %s",
        past.tags[TOKENS],
        snapshot.digest,
    )
    params = run_params(past.mlflow_run).items()
    settings = parse_settings(
        [f"{name}={value or repr('')}" for name, value in params if name.startswith("tokens.")]
    )
    return directly(tokenize, snapshot, settings.tokens, catalog)

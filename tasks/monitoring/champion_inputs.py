"""The champion of a dataset with what it was made from: snapshot, token set and scores."""

from dataclasses import dataclass

from tasks.registry.mlflow_client import CHAMPION, client, version_with_alias
from tasks.registry.registered_training import TOKENS
from tasks.registry.version_facts import all_facts
from tasks.registry.versions import SCORES, SNAPSHOT
from tasks.store.artifacts import Scores, Snapshot, TokenSet
from tasks.store.home import home


@dataclass(frozen=True)
class Champion:
    """A champion and its inputs."""

    version: str
    snapshot: Snapshot
    tokens: TokenSet
    scores: Scores


def find_champion(dataset: str) -> Champion | None:
    """Find the champion of a dataset; None if it has none.

    Raises:
        ValueError: If the store lacks what it was made from.
    """
    version = version_with_alias(dataset, CHAMPION)
    if version is None:
        return None
    facts = all_facts(client().get_model_version(dataset, version))
    snapshot = Snapshot.find(dataset, facts.get(SNAPSHOT, ""))
    tokens = TokenSet.find(dataset, facts.get(TOKENS, ""))
    scores = Scores.find(dataset, facts.get(SCORES, ""))
    if snapshot is None or tokens is None or scores is None:
        missing = "snapshot" if snapshot is None else "token set" if tokens is None else "scores"
        raise ValueError(
            f"{dataset} version {version} is champion, and its {missing} is not in {home()}: it "
            f"was pruned, or another store made it. refrain run {dataset} makes it again"
        )
    return Champion(version, snapshot, tokens, scores)

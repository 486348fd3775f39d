"""A dataset made ready for a command that trains: ingested and tokenized as a retraining does it, without the engine."""

from tasks.artifacts import TokenSet
from tasks.ingest import ingest
from tasks.settings import TokenChanges
from tasks.states import directly
from tasks.tokenize import tokenize


def token_set(dataset: str, settings: TokenChanges, catalog: str | None = None) -> TokenSet:
    """The token set that ``refrain run`` with the same settings would train on."""
    return directly(tokenize, directly(ingest, dataset, catalog), settings, catalog)

"""One dataset, from its source to a champion."""

from prefect import flow

from tasks.dataset_settings import with_entry_settings
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.promote import promote
from tasks.promotion.evidence import check_promotion
from tasks.register import register
from tasks.settings import Settings
from tasks.store.artifacts import Promotion
from tasks.tokenize import tokenize
from tasks.train import train

DEFAULTS = Settings()


@flow(flow_run_name="retrain-{dataset}", on_crashed=[cancelled_by_signal])
def retrain(
    dataset: str,
    settings: Settings = DEFAULTS,
    catalog: str | None = None,
    snapshot: str | None = None,
    accept: bool = False,
) -> Promotion:
    """Take one dataset from its source to a champion.

    Args:
        dataset: Name of an entry of the catalog, such as rotten_tomatoes.
        settings: Settings that override the catalog entry and the defaults.
        catalog: Catalog files to read in addition to data/catalog.yaml, separated by colons.
        snapshot: Digest of an earlier snapshot to retrain on, or its first digits; the source
            is not read.
        accept: Accept a snapshot that differs from the one before by more than the limits of
            the catalog entry.
    """
    begin_run()
    settings = with_entry_settings(dataset, settings, catalog)
    rows = ingest(dataset, catalog, snapshot, accept)
    tokens = tokenize(rows, settings.tokens, catalog)
    check_promotion(tokens, settings.promotion)  # before the training, which a mistake would waste
    checkpoint = train(tokens, settings.training)
    scores = evaluate(checkpoint, tokens, settings.evaluation, catalog)
    challenger = register(checkpoint, tokens, scores, catalog)
    return promote(challenger, scores, tokens, settings.promotion)

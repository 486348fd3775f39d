"""Find the result of a retraining in the store, without the engine, if nothing changed."""

from tasks.dataset_settings import with_entry_settings
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.register import register
from tasks.settings import Settings
from tasks.store.artifacts import Promotion
from tasks.store.lookup import WorkToDoError, only_finding
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train


def find_promotion(
    dataset: str,
    settings: Settings,
    catalog: str | None,
    snapshot: str | None,
    *,
    accept: bool = False,
) -> Promotion | None:
    """Find the promotion decision of a retraining whose stages are all unchanged, else None.

    Raises:
        ValueError: If the source or the settings are wrong, as in a retraining.
    """
    try:
        with only_finding():
            settings = with_entry_settings(dataset, settings, catalog)
            rows = directly(ingest, dataset, catalog, snapshot, accept)
            tokens = directly(tokenize, rows, settings.tokens, catalog)
            checkpoint = directly(train, tokens, settings.training)
            scores = directly(evaluate, checkpoint, tokens, settings.evaluation, catalog)
            challenger = directly(register, checkpoint, tokens, scores, catalog)
            return directly(promote, challenger, scores, tokens, settings.promotion)
    except WorkToDoError:
        return None

"""The previous champion comes back."""

from prefect import flow

from tasks.promotion.ledger import Line
from tasks.rollback import restore


@flow(flow_run_name="rollback-{model}")
def rollback(model: str, version: str | None = None, why: str = "") -> Line:
    """Put the previous champion of a model back, or a version that is named, and write it down.

    Args:
        model: Name of a registered model, such as rotten_tomatoes.
        version: Number of the version to make champion; empty for the one with the alias previous.
        why: What is wrong with the champion, for the ledger.
    """
    return restore(model, version, why)

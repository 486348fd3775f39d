"""A rollback to the previous champion."""

from prefect import flow

from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.maintenance.run_start import begin_run
from tasks.promotion.ledger import Line
from tasks.rollback import restore


@flow(flow_run_name="rollback-{model}", on_crashed=[cancelled_by_signal])
def rollback(model: str, version: str | None = None, why: str = "") -> Line:
    """Restore the previous champion of a model, or a given version, and record the reason.

    Args:
        model: Name of a registered model, such as rotten_tomatoes.
        version: Version to make champion; by default the one with the alias previous.
        why: Reason, for the ledger.
    """
    begin_run()
    return restore(model, version, why)

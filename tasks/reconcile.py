"""Runs and files that killed processes left: the task of the flow."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.maintenance.answered_runs import end_answered_runs
from tasks.maintenance.stale_runs import close_stale_runs
from tasks.promotion.ledger import ledger_names
from tasks.promotion.questions import expire
from tasks.store.temporary import sweep_files, sweep_unfinished_writes

log = logging.getLogger(__name__)


@task(task_run_name="reconcile", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=30)
def close_stale() -> list[str]:
    """Close stale runs, end questions, and remove temporary files of processes that are gone."""
    sweep_files()
    sweep_unfinished_writes()
    closed = close_stale_runs()
    log.info("closed %d stale runs", len(closed))
    for name in ledger_names():
        expire(name)
    return [*closed, *end_answered_runs()]

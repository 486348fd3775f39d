"""Runs and files that killed processes left."""

from prefect import flow

from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.reconcile import close_stale


@flow(flow_run_name="reconcile", on_crashed=[cancelled_by_signal])
def reconcile() -> list[str]:
    """Close the flow runs and MLflow runs of processes that are gone, and remove their files.

    Returns:
        A line for each run that was closed, with the reason.
    """
    return close_stale()

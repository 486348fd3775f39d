"""Runs and files that killed processes left."""

from prefect import flow

from tasks.notices.hook import END_HOOKS
from tasks.reconcile import close_stale
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def reconcile() -> list[str]:
    """Close the flow runs and MLflow runs of processes that are gone, and remove their files.

    Returns:
        A line for each run that was closed, with the reason.
    """
    return close_stale()

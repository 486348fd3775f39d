"""Warnings about a source, in the log and as an event."""

import logging

from prefect.context import TaskRunContext

from data.catalog.catalog import Dataset
from tasks.monitoring.events import STALE, announce
from tasks.monitoring.freshness import Freshness, check_freshness

log = logging.getLogger(__name__)


def report_freshness(fresh: Freshness) -> None:
    """Log what is wrong with a source, and send an event, once for each slot."""
    for warning in fresh.warnings:
        log.warning("%s: %s", fresh.dataset, warning)
    if fresh.warnings and fresh.is_counted:
        announce(
            STALE,
            fresh.dataset,
            state=fresh.state,
            warnings=fresh.warnings,
            age_days=round(fresh.age_days, 2),
            quiet_slots=fresh.quiet_slots,
        )


def warn_in_flow(entry: Dataset) -> tuple[str, str] | None:
    """Count a slot in a flow run, and give the name and message of the state to end with.

    Returns:
        None if nothing is wrong, or outside of a flow run: a command at a terminal is no slot.
    """
    if TaskRunContext.get() is None:
        return None
    fresh = check_freshness(entry)
    report_freshness(fresh)
    return (fresh.state, "; ".join(fresh.warnings)) if fresh.state else None

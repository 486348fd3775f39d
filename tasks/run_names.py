"""Names of flow runs: what they work on, when, and why they started."""

from datetime import UTC, datetime

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.runtime import flow_run


def name_with_reason() -> str:
    """Name the current flow run by its dataset or model, its date and its reason.

    Example: ``reviews 2026-11-28 02:00 scheduled``.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if context is None or run is None:
        raise RuntimeError("a flow run is named within it")
    parameters = context.parameters or {}
    subject = parameters.get("dataset") or parameters.get("model") or flow_run.flow_name
    when = run.expected_start_time or datetime.now(UTC)
    return f"{subject} {when.astimezone(UTC):%Y-%m-%d %H:%M} {reason(run)}"


def reason(run: FlowRun) -> str:
    """Tell why a flow run started: scheduled, triggered, by hand, or command line."""
    if run.auto_scheduled:
        return "scheduled"
    if run.created_by and run.created_by.type == "AUTOMATION":
        return "triggered"
    return "by hand" if run.deployment_id else "command line"

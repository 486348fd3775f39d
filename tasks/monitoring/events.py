"""Events of a dataset, which start retrainings and notices."""

from typing import Any

from prefect.context import FlowRunContext
from prefect.events import emit_event

DRIFTED = "refrain.drifted"
NEW_ROWS = "refrain.new-rows"
STALE = "refrain.stale"
ASKED = "refrain.asked"


def announce(event: str, dataset: str, **payload: Any) -> None:
    """Send an event about a dataset to Prefect; do nothing outside of a flow run."""
    if FlowRunContext.get():
        emit_event(
            event=event,
            resource={
                "prefect.resource.id": f"refrain.dataset.{dataset}",
                "prefect.resource.name": dataset,
            },
            payload=payload,
        )

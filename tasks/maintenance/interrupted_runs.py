"""The state of a flow run that a signal ended: Cancelled, with what was saved."""

import logging

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled

from tasks import stopping

log = logging.getLogger(__name__)


def cancelled_by_signal(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Mark a flow run as Cancelled where Prefect calls it Crashed, though a signal ended it."""
    is_signal = str(state.message or "").endswith("signal.")  # as Prefect describes it
    if stopping.is_requested() or is_signal:
        message = f"ended by a signal; {stopping.describe_saved()}"
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelled(message=message), force=True)
        log.info("%s: %s", flow.name, message)

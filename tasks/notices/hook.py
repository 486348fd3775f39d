"""What Prefect calls at the end of a flow run: its notices, and those of runs that were killed."""

from contextvars import copy_context
from datetime import UTC, datetime
from threading import Thread
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger

from tasks.maintenance.interrupted_runs import cancelled_by_signal
from tasks.notices.delivery import deliver
from tasks.notices.ended_runs import has_notices, notices_since
from tasks.notices.record import note_search, record, recorded, search_start
from tasks.registry.metric_spool import one_line
from tasks.store.locks import locked

LIMIT_SECONDS = 30.0  # a channel that hangs holds no process longer
WAIT_SECONDS = 10.0


def send_notices(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """Record and send the notices of all flow runs that ended since the last time.

    The flow run has ended already, so nothing here can change its outcome. What
    is not done in time is done at the end of the next flow run.
    """
    del state
    if not has_notices(flow_run):
        return
    log = flow_run_logger(flow_run, flow)
    faults: list[str] = []
    began = flow_run.start_time or flow_run.expected_start_time or datetime.now(UTC)
    # The settings of Prefect are in the context. A daemon ends with its process.
    worker = Thread(target=copy_context().run, args=(_catch_up, began, faults), daemon=True)
    worker.start()
    worker.join(LIMIT_SECONDS)
    if worker.is_alive():
        faults.append(f"they took more than {LIMIT_SECONDS:.0f} s")
    for fault in faults:
        log.warning("notices wait for the next flow run: %s", fault)


def _catch_up(began: datetime, faults: list[str]) -> None:
    try:
        record_ended(began)
        faults += deliver()
    except Exception as error:  # of Prefect, the disk or the network: a notice fails no flow run
        faults.append(one_line(error))


def record_ended(began: datetime) -> None:
    """Record a notice of each flow run that ended since the last search, once."""
    now = datetime.now(UTC)
    with (
        get_client(sync_client=True) as client,
        locked("notices", "record", patience_seconds=WAIT_SECONDS),
    ):
        known = {notice.key for notice in recorded()}
        record(notices_since(client, search_start(began), known))
        note_search(now)


# What the decorator of a flow takes, so that each of its ends has its notice.
END_HOOKS: Any = {
    "on_completion": [send_notices],
    "on_failure": [send_notices],
    "on_crashed": [cancelled_by_signal, send_notices],
}

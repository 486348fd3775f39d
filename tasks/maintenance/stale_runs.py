"""Flow runs and MLflow runs that are open, though their process is gone: closed with the reason.

A run names the lease of its process (``tasks/store/leases.py``): a flow run in a
tag, an MLflow run too. A run of which nothing is known is left alone.
"""

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Crashed

from tasks.registry.open_runs import kill_run, open_runs
from tasks.store.leases import Lease, find_lease

log = logging.getLogger(__name__)
TAG = "process-"
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
ENDED = [StateType.CRASHED, StateType.CANCELLED, StateType.FAILED, StateType.COMPLETED]
OPEN_TASKS = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=OPEN)))
PAGE = 200
PENDING_SECONDS = 1800.0  # a worker starts a flow run within seconds, also on a busy machine


def process_tag(key: str) -> str:
    """Return the tag of a flow run that names the lease of its process."""
    return f"{TAG}{key}"


def close_stale_runs() -> list[str]:
    """Close the runs of processes that are gone.

    Returns:
        A line for each run that was closed.
    """
    closed = [*close_flow_runs(), *close_mlflow_runs()]
    for line in closed:
        log.warning("closed %s", line)
    return closed


def close_mlflow_runs() -> Iterator[str]:
    """Close the MLflow runs of processes that are gone, as ``KILLED``."""
    for run_id, (key, reason) in _stale_mlflow_runs().items():
        if kill_run(run_id, key, reason):
            yield f"MLflow run {run_id}: {reason}"


def find_mlflow_runs() -> list[str]:
    """List the MLflow runs of processes that are gone, with the reason; close none."""
    return [f"MLflow run {run_id}: {why}" for run_id, (_, why) in _stale_mlflow_runs().items()]


def _stale_mlflow_runs() -> dict[str, tuple[str, str]]:
    """Find the open MLflow runs of processes that are gone: key of the lease, and the reason."""
    leases = {run_id: (key, find_lease(key)) for run_id, key in open_runs().items()}
    return {
        run_id: (key, f"{lease} ended without closing it")
        for run_id, (key, lease) in leases.items()
        if lease and lease.is_gone()
    }


def find_flow_runs() -> list[str]:
    """List the open flow runs of processes that are gone, with the reason; close none."""
    with get_client(sync_client=True) as client:
        reasons = [(run.name, reason_to_close(run)) for run in find_runs(client, OPEN)]
    return [f"flow run {name}: {reason}" for name, reason in reasons if reason]


def close_flow_runs() -> Iterator[str]:
    """Close the flow runs of processes that are gone, and their task runs, as ``Crashed``."""
    with get_client(sync_client=True) as client:
        for run in find_runs(client, OPEN):
            reason = reason_to_close(run)
            if reason:
                state: State[None] = Crashed(message=f"{reason}; closed by a later run")
                for task in _open_task_runs(client, run):
                    client.set_task_run_state(task, state, force=True)
                client.set_flow_run_state(run.id, state, force=True)
                yield f"flow run {run.name}: {reason}"
        # A worker reports the end of a flow run that was killed, and forgets its task runs.
        for run in find_runs(client, ENDED, with_open_tasks=True):
            reason = _gone(run)
            if reason:
                state = Crashed(message=f"{reason}; closed by a later run")
                for task in _open_task_runs(client, run):
                    client.set_task_run_state(task, state, force=True)
                yield f"task runs of {run.name}: {reason}"


def reason_to_close(run: FlowRun) -> str:
    """Give the reason why an open flow run is stale; empty if its process may be alive."""
    if _starts_again(run):
        return ""
    if _leases_of(run):
        return _gone(run)
    host, _, process = str(run.infrastructure_pid or "").rpartition(":")
    if process.isdigit() and host in ("", socket.gethostname()):
        return "" if _runs_flow(int(process), str(run.id)) else f"process {process} is gone"
    return _never_started(run)


def _starts_again(run: FlowRun) -> bool:
    """Whether a worker starts a run again: the process that it names is an earlier one."""
    state = run.state
    if state is None or state.type != StateType.PENDING or not run.run_count:
        return False
    return (datetime.now(UTC) - state.timestamp).total_seconds() < PENDING_SECONDS


def _leases_of(run: FlowRun) -> list[Lease]:
    """Find the leases that a flow run names: one of each process that began it."""
    keys = [tag.removeprefix(TAG) for tag in run.tags if tag.startswith(TAG)]
    return [lease for lease in map(find_lease, keys) if lease]


def _gone(run: FlowRun) -> str:
    """Name the process of a flow run, if all that it had are gone."""
    leases = _leases_of(run)
    is_stale = bool(leases) and all(lease.is_gone() for lease in leases)
    return f"{leases[-1]} ended without closing it" if is_stale else ""


def _never_started(run: FlowRun) -> str:
    """Tell of a scheduled run that no worker has started within half an hour."""
    state = run.state
    if run.deployment_id is None or state is None or state.type != StateType.PENDING:
        return ""
    seconds = (datetime.now(UTC) - state.timestamp).total_seconds()
    is_late = seconds > PENDING_SECONDS and not run.infrastructure_pid
    return f"its worker did not start it within {seconds / 60:.0f} minutes" if is_late else ""


def _runs_flow(process: int, flow_run: str) -> bool:
    """Tell whether a process of this machine runs a flow run; yes where it cannot be read."""
    if not Path("/proc/self/environ").exists():
        return True
    try:
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return not variables or f"PREFECT__FLOW_RUN_ID={flow_run}".encode() in variables


def find_runs(
    client: SyncPrefectClient,
    states: list[StateType],
    *,
    since: datetime | None = None,
    with_open_tasks: bool = False,
) -> list[FlowRun]:
    """List the flow runs of some states, from all pages; with ``since`` those that ended later."""
    ended = FlowRunFilterEndTime(after_=since) if since else None  # type: ignore[arg-type]
    kind = FlowRunFilterStateType(any_=states)
    chosen = FlowRunFilter(state=FlowRunFilterState(type=kind), end_time=ended)
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=chosen,
            task_run_filter=OPEN_TASKS if with_open_tasks else None,
            limit=PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < PAGE:
            return found


def _open_task_runs(client: SyncPrefectClient, run: FlowRun) -> list[UUID]:
    found = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        task_run_filter=OPEN_TASKS,
        limit=PAGE,
    )
    return [task.id for task in found]

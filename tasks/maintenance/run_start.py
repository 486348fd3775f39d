"""What each flow run does first: it says which process runs it, and clears what kills left."""

import logging
import os
import time

from prefect import runtime
from prefect.client.orchestration import get_client

from tasks.maintenance.stale_runs import TAG, close_stale_runs, process_tag
from tasks.registry.metric_spool import one_line
from tasks.store.leases import mine
from tasks.store.temporary import sweep_files, use_for_libraries
from tasks.store.tied_process import end_with_parent

log = logging.getLogger(__name__)
OF_WORKER = "PREFECT__FLOW_RUN_ID"  # Prefect's worker sets it in the process of a flow run
_begun: list[float] = []  # of the run of this process, on the monotonic clock


def begin_run() -> None:
    """Name the process of a flow run, sweep temporary files, and close stale runs.

    A flow run of a worker ends with its worker: it saves, and the next one goes on.
    """
    _begun[:] = [time.monotonic()]
    if os.environ.get(OF_WORKER):
        end_with_parent()
        use_for_libraries()
    _name_process()
    clean_up()


def run_seconds() -> float:
    """Tell how long the run of this process has taken; 0 outside of one."""
    return time.monotonic() - _begun[0] if _begun else 0.0


def clean_up() -> None:
    """Remove what processes left that are gone: temporary files, old leases, open runs."""
    sweep_files()
    try:
        close_stale_runs()
    except Exception as error:  # of Prefect, MLflow, a database or the network
        log.warning("stale runs are not closed this time: %s", one_line(error))


def _name_process() -> None:
    tag = process_tag(mine().key)
    tags = list(runtime.flow_run.tags or ())
    if runtime.flow_run.id and tag not in tags:
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, tags=[*tags, tag])


def forget_process() -> None:
    """Remove the name of the process: a flow run that is suspended has none, and is not stale."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(runtime.flow_run.id)
        tags = [tag for tag in run.tags if not tag.startswith(TAG)]
        client.update_flow_run(run.id, tags=tags)

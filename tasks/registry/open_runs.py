"""Which process fills an MLflow run: a tag with its lease, so that a later run can close it."""

from tasks.registry.mlflow_client import client, set_tags
from tasks.registry.mlflow_library import MlflowException
from tasks.store.leases import mine
from tasks.store.locks import locked

PROCESS = "refrain.process"  # the lease of the process that fills the run
ENDED = "refrain.ended"  # why another process closed it
LOCK = "runs"


def adopt_run(run_id: str) -> None:
    """Open an MLflow run again, filled by this process from now on."""
    with locked(LOCK, "mlflow"):
        set_tags(run_id, {PROCESS: mine().key})
        client().update_run(run_id, status="RUNNING")


def open_runs() -> dict[str, str]:
    """Return the open MLflow runs that name a process, each with the key of its lease."""
    experiments = [each.experiment_id for each in client().search_experiments(max_results=1000)]
    if not experiments:
        return {}
    found: dict[str, str] = {}
    token = None
    while True:
        page = client().search_runs(
            experiments,
            f"attributes.status = 'RUNNING' and tags.`{PROCESS}` != ''",
            page_token=token,
        )
        found |= {run.info.run_id: run.data.tags[PROCESS] for run in page}
        token = page.token
        if not token:
            return found


def kill_run(run_id: str, process: str, reason: str) -> bool:
    """Close an MLflow run as ``KILLED``, unless another process has opened it since."""
    with locked(LOCK, "mlflow"):
        try:
            run = client().get_run(run_id)
        except MlflowException:  # deleted in between
            return False
        if run.info.status != "RUNNING" or run.data.tags.get(PROCESS) != process:
            return False
        set_tags(run_id, {ENDED: reason})
        client().set_terminated(run_id, "KILLED")
    return True

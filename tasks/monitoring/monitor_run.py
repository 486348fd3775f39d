"""The MLflow run of a dataset's monitor: one run, whose metrics grow over time."""

import time
from collections.abc import Mapping

from tasks.registry.mlflow_client import client, experiment, log_metrics

TAG = "refrain.monitor"
NAME = "monitor"


def log_monitor(dataset: str, metrics: Mapping[str, float], step: int) -> str:
    """Add a point to each metric of a dataset's monitor, and return the id of its MLflow run."""
    run_id = _run_of(dataset)
    now = int(time.time() * 1000)
    log_metrics(run_id, [(name, value, step, now) for name, value in metrics.items()])
    return run_id


def _run_of(dataset: str) -> str:
    number = experiment(dataset)
    found = client().search_runs([number], f"tags.`{TAG}` = '1'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    run = client().create_run(number, run_name=NAME, tags={TAG: "1"})
    # It is closed at once: points can be added to a closed run, and an open one looks stale.
    client().set_terminated(run.info.run_id, "FINISHED")
    return str(run.info.run_id)

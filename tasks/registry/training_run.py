"""The MLflow run of a training: opened with its settings and data, filled, and closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.registry.metric_spool import one_line
from tasks.registry.mlflow_client import GONE, client, experiment
from tasks.registry.mlflow_library import Dataset, DatasetInput, InputTag, MlflowException, Param
from tasks.registry.open_runs import PROCESS, adopt_run
from tasks.store.artifacts import TokenSet
from tasks.store.leases import mine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


def start_run(
    tokens: TokenSet, name: str, settings: Mapping[str, Any], tags: Mapping[str, str]
) -> str:
    """Open an MLflow run with its settings and its data, and return its id."""
    run = client().create_run(
        experiment(tokens.dataset),
        run_name=name,
        tags={"refrain.problem": tokens.problem, PROCESS: mine().key, **tags},
    )
    params = {"dataset": tokens.dataset, "problem": tokens.problem, **settings}
    params |= {f"tokens.{name}": value for name, value in tokens.settings.items()}
    client().log_batch(
        run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()]
    )
    client().log_inputs(run.info.run_id, _inputs(tokens))
    return str(run.info.run_id)


def _inputs(tokens: TokenSet) -> list[DatasetInput]:
    """Describe each split of the snapshot as MLflow shows the data of a run."""
    snapshot = tokens.snapshot_of()
    return [
        DatasetInput(
            Dataset(
                name=f"{tokens.dataset}-{split}",
                digest=snapshot.splits[split],
                source_type="local",
                source=(snapshot.folder / f"{split}.parquet").as_uri(),
                profile=f'{{"num_rows": {tokens.rows[split]}}}',
            ),
            tags=[InputTag("mlflow.data.context", split)],
        )
        for split in snapshot.splits
    ]


def is_open_to_logs(run_id: str) -> bool:
    """Tell whether an MLflow run exists and is not deleted."""
    try:
        run = client().get_run(run_id)
    except MlflowException as error:
        if error.error_code != GONE:
            raise  # an outage says nothing about the run
        return False
    return bool(run.info.lifecycle_stage == "active")


def end_run(run_id: str, status: str) -> None:
    """Close an MLflow run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
    client().set_terminated(run_id, status)


@contextmanager
def closing(run_id: str) -> Iterator[None]:
    """Close an MLflow run as failed or killed if the block raises."""
    adopt_run(run_id)
    try:
        yield
    except BaseException as error:
        _try_to_end(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def _try_to_end(run_id: str, status: str) -> None:
    """Close an MLflow run; in an outage, leave that to a later run: the error counts more."""
    try:
        end_run(run_id, status)
    except Exception as error:
        log.warning("MLflow run %s stays open for now: %s", run_id, one_line(error))


def run_params(run_id: str) -> dict[str, str]:
    """Read the parameters of an MLflow run."""
    return dict(client().get_run(run_id).data.params)


def log_figure(run_id: str, figure: Figure, name: str) -> None:
    """Store a figure with an MLflow run."""
    client().log_figure(run_id, figure, name)


def log_file(run_id: str, path: Path, folder: str = "") -> None:
    """Store a file with an MLflow run."""
    client().log_artifact(run_id, str(path), folder or None)

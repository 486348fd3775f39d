"""The MLflow run of a training: opened with its settings and data, filled, and closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.registry.metric_spool import one_line
from tasks.registry.mlflow_client import GONE, client, experiment
from tasks.registry.mlflow_library import MlflowException, Param
from tasks.registry.open_runs import PROCESS, adopt_run
from tasks.registry.run_description import (
    NOTE,
    description,
    run_name,
    run_parameters,
    run_tags,
)
from tasks.registry.run_inputs import inputs_of
from tasks.store.artifacts import TokenSet
from tasks.store.leases import mine

log = logging.getLogger(__name__)


def start_run(tokens: TokenSet, settings: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open an MLflow run with its settings and its data, and return its id."""
    about = run_tags(tokens) | dict(tags)
    run = client().create_run(
        experiment(tokens.dataset),
        run_name=run_name(tokens, settings),
        tags={PROCESS: mine().key, NOTE: description(tokens, settings, about), **about},
    )
    params = [Param(key, value) for key, value in run_parameters(tokens, settings).items()]
    client().log_batch(run.info.run_id, params=params)
    client().log_inputs(run.info.run_id, inputs_of(tokens))
    return str(run.info.run_id)


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


def log_svg(run_id: str, figure: str, name: str) -> None:
    """Store a figure with an MLflow run."""
    client().log_text(run_id, figure, name)


def log_file(run_id: str, path: Path, folder: str = "") -> None:
    """Store a file with an MLflow run."""
    client().log_artifact(run_id, str(path), folder or None)

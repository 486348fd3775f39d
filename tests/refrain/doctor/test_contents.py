"""Faults of the store: damaged files, moved aliases, open runs, times of the future."""

import os
import time
from pathlib import Path

import pytest

from refrain.doctor.contents import check_aliases, check_artifacts, check_clock, check_stale_runs
from refrain.doctor.surroundings import Surroundings
from tasks.registry import mlflow_client
from tests.tasks.maintenance.test_stale_runs import gone
from tests.tasks.maintenance.test_verify import full
from tests.tasks.trained import run_of

__all__ = ["full", "gone"]
SEEN = Surroundings()


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_a_damaged_artifact_has_the_remedy_of_verify(full: Path) -> None:
    assert list(check_artifacts(SEEN)) == []
    (full / "snapshots" / "made-key" / "train.parquet").write_text("row")
    (found,) = check_artifacts(Surroundings(is_quick=True))
    assert "has 3 bytes, expected 4" in found.text
    assert "the next flow run that needs it" in found.remedy


def test_an_alias_that_differs_from_the_ledger_is_found(full: Path) -> None:
    found = list(check_aliases(SEEN))
    assert "in MLflow nobody is champion, in the ledger version 1" in found[0].text
    assert "refrain history made" in found[0].remedy


def test_an_mlflow_run_of_a_dead_process_is_found_and_stays_open(
    mlflow_store: Path, gone: object
) -> None:
    run = run_of("made")
    mlflow_client.client().update_run(run, status="RUNNING")
    mlflow_client.set_tags(run, {"refrain.process": gone.key})
    (found,) = check_stale_runs(SEEN)
    assert f"open in MLflow: MLflow run {run}" in found.text
    assert mlflow_client.client().get_run(run).info.status == "RUNNING"


def test_a_file_of_the_future_shows_a_wrong_clock(store: Path) -> None:
    path = store / "leases" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert list(check_clock(SEEN)) == []
    os.utime(path, (time.time() + 7300, time.time() + 7300))
    (found,) = check_clock(SEEN)
    assert "2.0 hours after this machine's clock" in found.text

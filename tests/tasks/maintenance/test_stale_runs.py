"""Open runs of ended processes are closed with the reason; healthy ones never are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Pending, Running

from tasks.maintenance import stale_runs
from tasks.maintenance.stale_runs import close_mlflow_runs, process_tag, reason_to_close
from tasks.registry import mlflow_client
from tasks.registry.open_runs import ENDED, PROCESS, adopt_run, kill_run, open_runs
from tasks.store.durable import write_json
from tasks.store.leases import Lease, mine


@pytest.fixture
def gone(store: Path) -> Lease:
    lease = replace(mine(), started="1")
    write_json(lease.path, vars(lease))
    return lease


def flow_run(**fields: Any) -> FlowRun:
    return FlowRun(**{"flow_id": uuid4(), "state": Running(), **fields})


def test_flow_run_is_stale_when_its_process_has_ended(gone: Lease) -> None:
    assert "ended without closing it" in reason_to_close(flow_run(tags=[process_tag(gone.key)]))


@pytest.mark.parametrize("also", [False, True])
def test_flow_run_of_a_running_process_is_not_stale(gone: Lease, also: bool) -> None:
    tags = [process_tag(mine().key), *([process_tag(gone.key)] if also else [])]
    assert reason_to_close(flow_run(tags=tags)) == ""


def test_flow_run_without_a_lease_is_not_changed(store: Path) -> None:
    assert reason_to_close(flow_run(tags=["process-of-another-store"])) == ""
    assert reason_to_close(flow_run(tags=["nightly"], deployment_id=uuid4())) == ""
    assert reason_to_close(flow_run(infrastructure_pid="elsewhere:1")) == ""


def test_flow_run_that_died_before_its_lease_is_found_by_its_process(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = flow_run(infrastructure_pid="4194304999")
    assert reason_to_close(run) == "process 4194304999 is gone"
    monkeypatch.setattr(stale_runs, "_runs_flow", lambda process, flow_run: True)
    assert reason_to_close(run) == ""


@pytest.mark.parametrize(("minutes", "is_stale"), [(5, False), (40, True)])
def test_scheduled_run_without_a_worker_is_closed_after_half_an_hour(
    store: Path, minutes: int, is_stale: bool
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    run = flow_run(state=Pending(timestamp=since), deployment_id=uuid4())
    assert bool(reason_to_close(run)) is is_stale


@pytest.mark.parametrize(("minutes", "is_stale"), [(5, False), (40, True)])
def test_resumed_run_that_still_names_its_first_process_has_half_an_hour_to_start(
    gone: Lease, minutes: int, is_stale: bool
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    run = flow_run(state=Pending(timestamp=since), run_count=1, tags=[process_tag(gone.key)])
    assert bool(reason_to_close(run)) is is_stale


def test_mlflow_run_of_an_ended_process_is_killed_and_a_healthy_one_is_not(
    mlflow_store: Path, gone: Lease
) -> None:
    client = mlflow_client.client()
    experiment = mlflow_client.experiment("made")
    stale, healthy, foreign = (
        client.create_run(experiment, tags=tags).info.run_id
        for tags in ({PROCESS: gone.key}, {PROCESS: mine().key}, {})
    )
    assert set(open_runs()) == {stale, healthy}
    (line,) = close_mlflow_runs()
    assert stale in line
    found = {each: client.get_run(each) for each in (stale, healthy, foreign)}
    assert [each.info.status for each in found.values()] == ["KILLED", "RUNNING", "RUNNING"]
    assert "ended without closing it" in found[stale].data.tags[ENDED]


def test_mlflow_run_reopened_by_another_process_stays_open(mlflow_store: Path, gone: Lease) -> None:
    client = mlflow_client.client()
    run = client.create_run(mlflow_client.experiment("made"), tags={PROCESS: gone.key}).info.run_id
    adopt_run(run)
    assert not kill_run(run, gone.key, "gone")
    assert client.get_run(run).info.status == "RUNNING"

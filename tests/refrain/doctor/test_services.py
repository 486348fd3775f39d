"""Servers that do not respond, errors anywhere in a log, and a worker that is gone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from refrain.doctor import services
from refrain.doctor.services import check_logs, check_servers, check_worker
from refrain.doctor.surroundings import Surroundings, UpState, fault_of
from refrain.services import free_port

ADDRESSES = {"Prefect dashboard": "http://127.0.0.1:1", "MLflow UI": "http://127.0.0.1:2"}


def seen_with(up: UpState, lists: dict[str, Any] | None = None, **known: Any) -> Surroundings:
    """Surroundings whose servers answer what a test gives."""

    class Answered(Surroundings):
        def call(self, method: str, path: str, body: Any = None) -> Any:
            return (lists or {})[path]

    seen = Answered()
    seen.__dict__.update(up=up, prefect_fault="", **known)
    return seen


def running() -> UpState:
    return UpState(ADDRESSES, os.getpid(), is_running=True)


@pytest.mark.parametrize(
    ("up", "part"),
    [
        (UpState(ADDRESSES, 7, is_running=False), "was killed (process 7)"),
        (UpState(ADDRESSES, None, is_running=False), "is stopped, so no schedule fires"),
    ],
)
def test_servers_that_do_not_run_are_a_finding(
    up: UpState, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (found,) = check_servers(seen_with(up))
    assert part in found.text
    assert found.remedy == "refrain up"


def test_a_store_that_never_had_servers_has_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert list(check_servers(seen_with(UpState({}, None, is_running=False)))) == []


def test_servers_that_do_not_respond_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "refused" in fault_of(f"http://127.0.0.1:{free_port()}/health", b"OK")
    seen = seen_with(running())
    seen.__dict__["prefect_fault"] = "timed out"
    monkeypatch.setattr(services, "fault_of", lambda address, expected: "status 500")
    prefect, mlflow = check_servers(seen)
    assert prefect.text == (
        "the Prefect server at http://127.0.0.1:1/api does not respond (timed out)"
    )
    assert mlflow.text == "the MLflow server at http://127.0.0.1:2 does not respond (status 500)"


def test_an_error_at_the_beginning_of_a_long_log_is_found_and_counted(store: Path) -> None:
    logs = store / "logs"
    logs.mkdir(parents=True)
    error = "12:00:0{} | ERROR   | prefect.server.services.scheduler - Unexpected error\n"
    calm = "12:00:09 | INFO    | all is well\n" * 20_000
    trace = "Traceback (most recent call last):\n"
    errors = error.format(1) + trace + error.format(2) + trace
    (logs / "prefect-server.log").write_text(errors + calm)
    (found,) = check_logs(Surroundings())
    assert found.level == "error"
    assert "scheduler - Unexpected error (2 times)" in found.text


@pytest.mark.parametrize(
    ("pools", "seconds", "part"),
    [
        ([], 0, "there is no work pool refrain"),
        ([{"name": "refrain", "is_paused": True}], 0, "the work pool refrain is paused"),
        ([{"name": "refrain", "is_paused": False}], 500, "no worker of the work pool"),
        ([{"name": "refrain", "is_paused": False}], 10, ""),
    ],
)
def test_a_pool_or_worker_that_starts_nothing_is_found(
    pools: list[dict[str, Any]], seconds: int, part: str
) -> None:
    beat = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    worker = {"last_heartbeat_time": beat, "heartbeat_interval_seconds": 30}
    lists = {"/work_pools/filter": pools, "/work_pools/refrain/workers/filter": [worker]}
    found = list(check_worker(seen_with(running(), lists)))
    assert [part in each.text for each in found] == ([True] if part else [])

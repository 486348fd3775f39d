"""Schedules that will not fire: paused, without a next flow run, without a dataset; late runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refrain.doctor.schedules import check_late_runs, check_schedules, next_runs
from refrain.doctor.surroundings import UpState
from tests.refrain.doctor.test_services import seen_with

ELSEWHERE = UpState({}, None, is_running=False)
RUNS = "/flow_runs/filter"


def deployment(**changes: Any) -> dict[str, Any]:
    schedule = {"id": "s", "slug": "nightly", "active": True}
    parameters = {"dataset": "rotten_tomatoes"}
    usual = {"id": "d", "name": "films", "paused": False, "schedules": [schedule]}
    return usual | {"parameters": parameters} | changes


def findings(changes: dict[str, Any], runs: list[dict[str, Any]]) -> list[str]:
    seen = seen_with(
        ELSEWHERE, {RUNS: runs}, api="http://h/api", deployments=[deployment(**changes)]
    )
    return [each.text for each in check_schedules(seen)]


@pytest.mark.parametrize(
    ("changes", "runs", "part"),
    [
        ({"paused": True}, [{}], "the deployment films is paused"),
        ({"schedules": [{"slug": "n", "active": False}]}, [], "the schedule n of films is paused"),
        ({}, [], "the server has scheduled no flow run of films: it will not fire"),
        ({"parameters": {"dataset": "roten"}}, [{}], "every flow run of films will fail: there is"),
    ],
)
def test_a_schedule_that_does_not_fire_or_fails_is_found(
    changes: dict[str, Any], runs: list[dict[str, Any]], part: str
) -> None:
    (text,) = findings(changes, runs)
    assert text.startswith(part)


def test_a_schedule_with_a_next_flow_run_is_fine() -> None:
    assert findings({}, [{}]) == []


def test_late_runs_are_counted_and_the_next_five_are_listed() -> None:
    now = datetime.now(UTC)
    times = [(now - timedelta(minutes=number)).isoformat() for number in (1, 20, 30)]
    runs = [{"expected_start_time": each, "deployment_id": "d"} for each in times]
    seen = seen_with(ELSEWHERE, {RUNS: runs}, api="http://h/api", deployments=[deployment()])
    (found,) = check_late_runs(seen)
    assert found.text.startswith("2 flow runs are late, the first since ")
    assert next_runs(seen)[0] == {"time": times[0], "deployment": "films"}

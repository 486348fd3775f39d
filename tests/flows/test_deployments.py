"""Every entry of prefect.yaml, checked as Prefect would check it."""

import importlib
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from data.catalog import read_catalog
from tasks.artifacts import ROOT

FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {entry["name"]: entry for entry in FILE["deployments"]}
each = pytest.mark.parametrize("name", DEPLOYMENTS)


def flow_of(entry: dict[str, Any]) -> Any:
    path, name = entry["entrypoint"].split(":")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


@each
def test_its_flow_loads_and_takes_its_parameters(name: str) -> None:
    entry = DEPLOYMENTS[name]
    checked = flow_of(entry).validate_parameters(entry["parameters"])
    assert checked.get("dataset", checked.get("model")) in read_catalog()  # a model has its dataset's name


@each
def test_its_schedules_have_a_slug_a_zone_and_a_next_time(name: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    for schedule in DEPLOYMENTS[name]["schedules"]:
        assert schedule["slug"]
        assert isinstance(schedule["active"], bool)
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


@each
def test_it_runs_one_at_a_time_and_waits_for_its_turn(name: str) -> None:
    assert DEPLOYMENTS[name]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_names_are_not_used_twice() -> None:
    assert len(DEPLOYMENTS) == len(FILE["deployments"])


def test_every_problem_has_a_scheduled_deployment() -> None:
    catalog = read_catalog()
    covered = {catalog[entry["parameters"]["dataset"]].problem for entry in DEPLOYMENTS.values() if entry["schedules"]}
    assert covered == {entry.problem for entry in catalog.values()}


@pytest.mark.parametrize(
    "parameters",
    [
        {"dataset": "msra", "settings": {"training": {"max_epoch": 2}}},
        {"dataset": "msra", "settings": {"training": {"max_epochs": 0}}},
        {"dataset": "msra", "settings": {"trainings": {}}},
        {"settings": {}},
    ],
)
def test_a_wrong_parameter_is_refused_before_a_flow_starts(parameters: dict[str, Any]) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.retrain import retrain

    with pytest.raises((ParameterTypeError, ValidationError, TypeError)):
        retrain.validate_parameters(parameters)

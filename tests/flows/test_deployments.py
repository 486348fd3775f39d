"""Every entry of prefect.yaml, checked as Prefect would check it."""

import importlib
from typing import Any

import pytest
import yaml
from prefect.exceptions import ParameterTypeError
from pydantic import ValidationError

from data.catalog.catalog import read_catalog
from tasks.monitoring.events import DRIFTED, NEW_ROWS
from tasks.store.installation import ROOT

FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {entry["name"]: entry for entry in FILE["deployments"]}
SCHEDULED = [name for name, entry in DEPLOYMENTS.items() if entry.get("schedules")]
RETRAINED = [name for name in SCHEDULED if DEPLOYMENTS[name]["tags"] == ["retrain"]]
MONITORED = [name for name in SCHEDULED if DEPLOYMENTS[name]["tags"] == ["monitor"]]
PREPARED = [name for name, entry in DEPLOYMENTS.items() if "parameters" in entry]
each = pytest.mark.parametrize("name", DEPLOYMENTS)
each_scheduled = pytest.mark.parametrize("name", SCHEDULED)


def flow_of(entry: dict[str, Any]) -> Any:
    path, name = entry["entrypoint"].split(":")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize("name", PREPARED)
def test_its_flow_loads_and_takes_its_parameters(name: str) -> None:
    entry = DEPLOYMENTS[name]
    checked = flow_of(entry).validate_parameters(entry["parameters"])
    assert (
        checked.get("dataset", checked.get("model")) in read_catalog()
    )  # a model has its dataset's name


@each_scheduled
def test_its_schedules_have_a_slug_a_zone_and_a_next_time(name: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    for schedule in DEPLOYMENTS[name]["schedules"]:
        assert schedule["slug"]
        assert "active" not in schedule  # or applying the file would switch a paused schedule on
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def test_a_rollback_is_started_by_hand_and_names_its_model() -> None:
    entry = DEPLOYMENTS["rollback"]
    assert "schedules" not in entry
    assert (
        flow_of(entry).validate_parameters({"model": "msra", "version": "3", "why": "x"})["version"]
        == "3"
    )
    with pytest.raises(ParameterTypeError):
        flow_of(entry).validate_parameters({"version": "3"})


def test_reconcile_runs_every_hour_and_takes_nothing() -> None:
    entry = DEPLOYMENTS["reconcile"]
    assert entry["schedules"][0]["cron"].endswith(" * * * *")
    assert flow_of(entry).validate_parameters({}) == {}


def test_a_replay_is_started_by_hand_and_takes_the_champion_if_no_version_is_named() -> None:
    entry = DEPLOYMENTS["replay"]
    assert "schedules" not in entry
    assert flow_of(entry).validate_parameters({"model": "msra"})["version"] == "champion"
    with pytest.raises(ParameterTypeError):
        flow_of(entry).validate_parameters({"version": "3"})


@each
def test_it_runs_one_at_a_time_and_waits_for_its_turn(name: str) -> None:
    assert DEPLOYMENTS[name]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_names_are_not_used_twice() -> None:
    assert len(DEPLOYMENTS) == len(FILE["deployments"])


def test_every_problem_has_a_scheduled_deployment() -> None:
    catalog = read_catalog()
    covered = {catalog[DEPLOYMENTS[name]["parameters"]["dataset"]].problem for name in RETRAINED}
    assert covered == {entry.problem for entry in catalog.values()}


@pytest.mark.parametrize("name", RETRAINED)
def test_events_about_its_dataset_start_a_retraining(name: str) -> None:
    from prefect.cli.deploy._triggers import _initialize_deployment_triggers

    (spec,) = DEPLOYMENTS[name]["triggers"]
    (trigger,) = _initialize_deployment_triggers(name, [dict(spec)])
    dataset = DEPLOYMENTS[name]["parameters"]["dataset"]
    assert trigger.match.root == {"prefect.resource.id": f"refrain.dataset.{dataset}"}
    assert trigger.expect == {DRIFTED, NEW_ROWS, "refrain.source-updated"}
    assert (trigger.name, trigger.parameters) == (f"retrain-{dataset}", None)


def test_every_retrained_dataset_has_a_monitor() -> None:
    datasets = [
        {DEPLOYMENTS[n]["parameters"]["dataset"] for n in names} for names in (RETRAINED, MONITORED)
    ]
    assert datasets[0] == datasets[1]


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
    from flows.retrain import retrain

    with pytest.raises((ParameterTypeError, ValidationError, TypeError)):
        retrain.validate_parameters(parameters)

"""Every entry of prefect.yaml, checked as Prefect would check it."""

import importlib
from typing import Any

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

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
def test_deployment_flow_loads_and_accepts_its_parameters(name: str) -> None:
    entry = DEPLOYMENTS[name]
    checked = flow_of(entry).validate_parameters(entry["parameters"])
    assert (
        checked.get("dataset", checked.get("model")) in read_catalog()
    )  # a model has its dataset's name


@each_scheduled
def test_deployment_schedules_have_a_slug_a_time_zone_and_a_next_run(name: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    for schedule in DEPLOYMENTS[name]["schedules"]:
        assert schedule["slug"]
        assert "active" not in schedule  # or applying the file would switch a paused schedule on
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def test_rollback_deployment_has_no_schedule_and_requires_a_model() -> None:
    entry = DEPLOYMENTS["rollback"]
    assert "schedules" not in entry
    assert (
        flow_of(entry).validate_parameters({"model": "msra", "version": "3", "why": "x"})["version"]
        == "3"
    )
    with pytest.raises(ParameterTypeError):
        flow_of(entry).validate_parameters({"version": "3"})


def test_reconcile_deployment_runs_hourly_without_parameters() -> None:
    entry = DEPLOYMENTS["reconcile"]
    assert entry["schedules"][0]["cron"].endswith(" * * * *")
    assert flow_of(entry).validate_parameters({}) == {}


def test_replay_deployment_has_no_schedule_and_defaults_to_the_champion() -> None:
    entry = DEPLOYMENTS["replay"]
    assert "schedules" not in entry
    assert flow_of(entry).validate_parameters({"model": "msra"})["version"] == "champion"
    with pytest.raises(ParameterTypeError):
        flow_of(entry).validate_parameters({"version": "3"})


@each
def test_deployment_runs_one_at_a_time_and_queues(name: str) -> None:
    assert DEPLOYMENTS[name]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_deployment_names_are_unique() -> None:
    assert len(DEPLOYMENTS) == len(FILE["deployments"])


def test_every_problem_has_a_scheduled_deployment() -> None:
    catalog = read_catalog()
    covered = {catalog[DEPLOYMENTS[name]["parameters"]["dataset"]].problem for name in RETRAINED}
    assert covered == {entry.problem for entry in catalog.values()}


def server_message(parameters: dict[str, Any], flow: str = "retrain") -> str:
    """What Prefect's server answers to the parameters of a run; empty if it takes them."""
    from prefect.utilities.callables import parameter_schema
    from prefect.utilities.schema_tools.validation import ValidationError, validate

    schema = parameter_schema(
        flow_of(next(e for e in FILE["deployments"] if flow in e["entrypoint"])).fn
    )
    try:
        validate(parameters, dict(schema), raise_on_error=True)
    except ValidationError as error:
        return str(error)
    return ""


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
    ("parameters", "message"),
    [
        (
            {"dataset": "msra", "main_settings": {"max_epochs": -5}},
            "-5 is less than the minimum of 1",
        ),
        (
            {"dataset": "msra", "main_settings": {"dropout": 2}},
            "2 is greater than the maximum of 0.95",
        ),
        ({"dataset": "msra", "main_settings": {"epochs": 2}}, "'epochs' was unexpected"),
        ({"dataset": "msr"}, "'msr' is not one of"),
        ({"main_settings": {}}, "'dataset' is a required property"),
    ],
)
def test_server_rejects_an_invalid_form_value(parameters: dict[str, Any], message: str) -> None:
    assert message in server_message(parameters)


def test_server_accepts_parameters_of_the_form_and_of_prefect_yaml() -> None:
    given = {"dataset": "msra", "main_settings": {"max_epochs": 2}, "advanced": "training.seed=2"}
    assert not server_message(given | {"settings": {"training": {"seed": 1}}, "catalog": "x.yaml"})


def test_form_has_twelve_fields_and_lists_the_catalog() -> None:
    from prefect.utilities.callables import parameter_schema

    fields = parameter_schema(flow_of(DEPLOYMENTS["msra"]).fn).properties
    assert list(fields) == ["dataset", "main_settings", "advanced", "snapshot", "accept"]
    assert fields["dataset"]["enum"] == sorted(read_catalog())
    main = fields["main_settings"]["properties"]
    assert len(fields) - 1 + len(main) == 12
    assert "Default" in main["max_epochs"]["description"]
    assert "At least 1." in main["max_epochs"]["description"]
    assert "default" not in main["max_epochs"]


@pytest.mark.parametrize("name", ["rollback", "replay"])
def test_other_forms_list_the_models(name: str) -> None:
    from prefect.utilities.callables import parameter_schema

    fields = parameter_schema(flow_of(DEPLOYMENTS[name]).fn).properties
    assert fields["model"]["enum"] == sorted(read_catalog())

"""Every entry of prefect.yaml, checked as Prefect would check it."""

import importlib
from typing import Any

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

from data.catalog.catalog import read_catalog
from tasks.store.installation import ROOT

FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {entry["name"]: entry for entry in FILE["deployments"]}
SCHEDULED = [name for name, entry in DEPLOYMENTS.items() if entry.get("schedules")]
RETRAINED = [name for name in SCHEDULED if "dataset" in DEPLOYMENTS[name].get("parameters", {})]
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


@pytest.mark.parametrize(
    ("parameters", "said"),
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
def test_the_server_refuses_a_wrong_value_of_the_form(
    parameters: dict[str, Any], said: str
) -> None:
    assert said in server_message(parameters)


def test_the_server_takes_what_the_form_and_prefect_yaml_may_give() -> None:
    given = {"dataset": "msra", "main_settings": {"max_epochs": 2}, "advanced": "training.seed=2"}
    assert not server_message(given | {"settings": {"training": {"seed": 1}}, "catalog": "x.yaml"})


def test_the_form_has_twelve_fields_and_lists_the_catalog() -> None:
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

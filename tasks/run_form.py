"""The fields of the run form in the dashboard: lists of names, the main settings, and the rest.

Prefect makes a form from the JSON Schema of a flow's parameters when a deployment is applied, and
its server checks each new run against it.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from data.catalog.yaml_entries import Entry, read_entries
from data.errors import RowError
from data.text.settings import default_settings
from rnn_models.problem import find_problem
from tasks.dataset_settings import STAGES
from tasks.ingestion.catalogs import catalog_paths
from tasks.maintenance.run_start import OF_WORKER
from tasks.settings import Settings, changes, parse_settings
from tasks.store.installation import DEPLOYMENTS, project

log = logging.getLogger(__name__)
# The settings that the form shows by themselves, each with its stage.
MAIN = {
    "limit": "tokens",
    "hidden_size": "training",
    "max_epochs": "training",
    "learning_rate": "training",
    "batch_size": "training",
    "dropout": "training",
    "clip_norm": "training",
    "policy": "promotion",
}
TYPES = {int: "integer", float: "number", str: "string"}
# Between two settings of the advanced field; --set is what a command line has there.
BETWEEN = re.compile(r"\s+(?:--set\s+)?(?=[\w.]+=)|^--set\s+")
AGAIN = "Start another run with the right value: a retry would have the same parameters"


def _entries() -> dict[str, Entry]:
    """Read the catalog's entries for a form; none in a flow run, which shows no form."""
    if os.environ.get(OF_WORKER):
        return {}
    try:
        return {name: entry for name, (_, entry) in read_entries(_catalogs()).items()}
    except RowError as error:
        log.warning("the run form has no list of datasets: %s", error)
        return {}


def _catalogs() -> list[Path]:
    """List the catalogs: those of every run, and those that ``prefect.yaml`` names."""
    path = project() / DEPLOYMENTS
    given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    named = [
        str(entry["parameters"]["catalog"])
        for entry in given.get("deployments", ())
        if entry.get("parameters", {}).get("catalog")
    ]
    return catalog_paths(os.pathsep.join(named))


def _list_of(names: Mapping[str, Entry]) -> dict[str, Any]:
    return {"type": "string"} | ({"enum": sorted(names)} if names else {})


def _main_schema(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Describe the main settings: type, bounds, and default of each problem of the catalog."""
    problems = sorted({entry.text("problem") for entry in entries.values()})
    shown = {
        name: _field_schema(name, stage, problems) | {"position": position}
        for position, (name, stage) in enumerate(MAIN.items())
    }
    return {"type": "object", "properties": shown, "additionalProperties": False}


def _field_schema(name: str, stage: str, problems: list[str]) -> dict[str, Any]:
    declared = next(each for each in fields(STAGES[stage]) if each.name == name)
    kind: Any = declared.type
    choices = get_args(kind)
    low, high = (declared.metadata[end] for end in ("low", "high"))
    about = [declared.metadata["about"], *_range(low, high), *_defaults(name, stage, problems)]
    bounds = {"minimum": low, "maximum": high}
    return {
        "title": name,
        "description": " ".join(about),
        "type": "string" if choices else TYPES[kind],
        **({"enum": list(choices)} if choices else {}),
        **{key: bound for key, bound in bounds.items() if bound is not None},
    }


def _range(low: float | None, high: float | None) -> Iterator[str]:
    if low is not None:
        yield f"From {low:g} to {high:g}." if high is not None else f"At least {low:g}."


def _defaults(name: str, stage: str, problems: list[str]) -> Iterator[str]:
    """Describe the default; of a training it depends on the problem."""
    if stage == "tokens":
        yield f"Default {getattr(default_settings('words', is_generated=False), name):,}."
    elif stage == "promotion":
        yield f"Default {getattr(STAGES[stage](), name)}."
    else:
        of_problem = {each: getattr(find_problem(each).defaults, name) for each in problems}
        values = dict.fromkeys(of_problem.values())
        named = {
            value: ", ".join(each for each in problems if of_problem[each] == value)
            for value in values
        }
        shown = [f"{value:g}" + f" ({named[value]})" * (len(values) > 1) for value in values]
        yield f"Default {', '.join(shown)}." if shown else ""


_ENTRIES = _entries()
DatasetName = Annotated[str, WithJsonSchema(_list_of(_ENTRIES))]
ModelName = Annotated[str, WithJsonSchema(_list_of(_ENTRIES))]
MainSettings = Annotated[dict[str, Any], WithJsonSchema(_main_schema(_ENTRIES))]
# Parameters of prefect.yaml and the command line, which the form leaves out.
HiddenText = SkipJsonSchema[str]
HiddenSettings = SkipJsonSchema[dict[str, dict[str, Any]]]


def chosen_settings(
    settings: Mapping[str, Mapping[str, Any]], main: Mapping[str, Any], advanced: str
) -> Settings:
    """Collect the settings of a run; the advanced field wins over the main settings.

    Args:
        settings: By stage, from ``prefect.yaml`` or the command line.
        main: The main settings of the form; what is empty changes nothing.
        advanced: Settings as ``--set`` takes them, with spaces or lines between them.

    Raises:
        ValueError: If one does not exist or is invalid; with the nearest name or the bounds.
    """
    given = {name: value for name, value in main.items() if value not in (None, "")}
    unknown = sorted(set(given) - set(MAIN))
    if unknown:
        raise ValueError(
            f"main_settings: there is no {unknown[0]!r}, expected some of "
            f"{', '.join(MAIN)}. {AGAIN}"
        )
    base = {stage: dict(values) for stage, values in settings.items()}
    for name, value in given.items():
        base.setdefault(MAIN[name], {})[name] = value
    try:
        return parse_settings(assignments(advanced), base)
    except ValueError as error:
        message = str(error)
        raise ValueError(f"{message}{'' if message.endswith('?') else '.'} {AGAIN}") from None


def assignments(advanced: str) -> list[str]:
    """Split the advanced field into its settings.

    Example:
        >>> assignments("--set training.seed=2 promotion.guards={PER: 1, LOC: 2}")
        ['training.seed=2', 'promotion.guards={PER: 1, LOC: 2}']
    """
    return [part for each in BETWEEN.split(advanced.strip()) if (part := each.strip())]


def changed_values(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings that are changed, by stage, as the parameter of a flow run."""
    found = {stage: changes(getattr(settings, stage)) for stage in STAGES}
    return {stage: values for stage, values in found.items() if values}

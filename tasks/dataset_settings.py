"""Settings of a dataset: those of its catalog entry, a caller's changes, each value's origin."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from data.catalog.catalog import Dataset, find_dataset
from data.errors import RowError
from data.text.settings import TokenSettings, default_settings
from rnn_models.problem import find_problem
from rnn_models.settings import TrainSettings
from tasks.ingestion.catalogs import catalog_paths
from tasks.settings import EvaluationSettings, PromotionSettings, Settings, changes, read_settings

STAGES: dict[str, type[Any]] = {
    "tokens": TokenSettings,
    "training": TrainSettings,
    "evaluation": EvaluationSettings,
    "promotion": PromotionSettings,
}


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """One setting of a dataset, for a table."""

    name: str
    value: Any
    origin: str
    kind: str
    bounds: str
    about: str


def with_entry_settings(dataset: str, settings: Settings, catalog: str | None = None) -> Settings:
    """Complete a caller's settings with those of the dataset's catalog entry.

    Raises:
        RowError: If the entry's settings are wrong; names file, entry and setting.
    """
    entry = find_dataset(dataset, *catalog_paths(catalog))
    of_entry = entry_settings(entry)
    return Settings(
        **{
            stage: replace(getattr(of_entry, stage), **changes(getattr(settings, stage)))
            for stage in STAGES
        }
    )


def entry_settings(entry: Dataset) -> Settings:
    """Read the settings of a catalog entry, with the checks of a deployment's settings."""
    try:
        return read_settings(entry.settings)
    except ValueError as error:
        raise RowError(f"{entry.file}, entry {entry.name}, settings: {error}") from None


def setting_rows(
    dataset: str, settings: Settings, catalog: str | None, origins: Mapping[str, str]
) -> list[SettingRow]:
    """List every setting of a dataset with its value and its origin.

    Args:
        dataset: Name of the entry.
        settings: Settings that the caller changes.
        catalog: Further catalog files.
        origins: The origin of each changed ``stage.name``, such as ``--set``.
    """
    entry = find_dataset(dataset, *catalog_paths(catalog))
    problem = find_problem(entry.problem)
    is_text = problem.sides(entry.roles)[-1:] == ("text",)
    defaults = {
        "tokens": (
            default_settings(entry.tokenizer, is_generated=is_text),
            f"default ({Path(entry.tokenizer).name})",
        ),
        "training": (problem.defaults, f"default ({problem.name})"),
        "evaluation": (EvaluationSettings(), "default"),
        "promotion": (PromotionSettings(), "default"),
    }
    of_entry = entry_settings(entry)
    rows = []
    for stage, kind in STAGES.items():
        values, origin = defaults[stage]
        in_entry = changes(getattr(of_entry, stage))
        changed = changes(getattr(settings, stage))
        for declared in fields(kind):
            name = f"{stage}.{declared.name}"
            where = entry.file.name if declared.name in in_entry else origin
            if declared.name in changed:
                where = origins.get(name, "settings of the caller")
            value = (vars(values) | in_entry | changed)[declared.name]
            low, high = (declared.metadata[bound] for bound in ("low", "high"))
            rows.append(
                SettingRow(
                    name=name,
                    value=value,
                    origin=where,
                    kind=_kind(get_type_hints(kind)[declared.name]),
                    bounds=_bounds(low, high),
                    about=declared.metadata["about"],
                )
            )
    return rows


def _kind(hint: Any) -> str:
    """Describe a type in words, by its choices if it has some."""
    choices = get_args(hint)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(choices)
    return getattr(hint, "__name__", str(hint)) if not choices else "mapping or null"


def _bounds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:g}"
    return f"{low:g} to {high:g}" if low is not None else f"at most {high:g}"

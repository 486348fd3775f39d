"""All that a deployment may set, gathered from the layers below.

Every field of a stage is optional: left alone it takes the default of the
dataset's problem or tokenizer.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic import Field as FormField

from data.errors import nearest
from data.tokenizer import TokenSettings
from rnn_models.settings import TrainSettings

if TYPE_CHECKING:  # to a type checker they are the settings themselves
    TokenChanges: TypeAlias = TokenSettings
    TrainChanges: TypeAlias = TrainSettings


def _changes_of(name: str, settings: type[Any]) -> type[Any]:
    """The same fields, each None unless it is to be changed, as a form can show them."""
    kinds = get_type_hints(settings)

    def form(declared: Field[Any]) -> Any:
        low, high = declared.metadata["low"], declared.metadata["high"]
        shown = FormField(description=declared.metadata["about"], ge=low, le=high)
        return Annotated[kinds[declared.name] | None, shown]

    made = make_dataclass(
        name, [(f.name, form(f), None) for f in fields(settings)], frozen=True, kw_only=True,
        namespace={"__doc__": settings.__doc__, "__pydantic_config__": ConfigDict(extra="forbid")},
    )  # fmt: skip
    made.__module__ = __name__
    return made


if not TYPE_CHECKING:
    TokenChanges = _changes_of("TokenChanges", TokenSettings)
    TrainChanges = _changes_of("TrainChanges", TrainSettings)


@dataclass(frozen=True, kw_only=True)
class PromotionSettings:
    """When a challenger becomes champion.

    ``min_gain`` is how much better its headline score must be on the same test
    split, in percent points; equal scores keep the champion.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    min_gain: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_gain <= 100:
            raise ValueError(f"min_gain must be from 0 to 100 percent points, got {self.min_gain}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a deployment may change of a retraining; whatever is left out has a default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    tokens: TokenChanges = field(default_factory=TokenChanges)
    training: TrainChanges = field(default_factory=TrainChanges)
    promotion: PromotionSettings = PromotionSettings()


def changes(chosen: object) -> dict[str, Any]:
    """The settings of a stage that were changed."""
    found = {declared.name: getattr(chosen, declared.name) for declared in fields(chosen)}  # type: ignore[arg-type]
    return {name: value for name, value in found.items() if value is not None}


def setting_names() -> dict[str, str]:
    """Every setting as ``stage.name``, with one line about it."""
    stages = {"tokens": TokenSettings, "training": TrainSettings}
    found = {f"{stage}.{f.name}": f.metadata["about"] for stage, kind in stages.items() for f in fields(kind)}
    return found | {"promotion.min_gain": "Percent points by which a challenger must be better."}


def parse_settings(assignments: list[str], base: Mapping[str, Any] | None = None) -> Settings:
    """Read settings as they are typed: ``training.max_epochs=2``.

    Args:
        assignments: One ``stage.name=value`` each; the last of equals holds.
        base: Stages and their settings that hold where nothing else is said.

    Raises:
        ValueError: If there is no such setting (with the nearest name), or the
            value is not one it can have.
    """
    names = setting_names()
    chosen: dict[str, dict[str, Any]] = {stage: dict(values) for stage, values in (base or {}).items()}
    for assignment in assignments:
        name, is_there, value = assignment.partition("=")
        if not is_there:
            raise ValueError(f"{assignment!r} is not a setting: write stage.name=value, as in training.max_epochs=2")
        if name not in names:
            raise ValueError(f"there is no setting {name!r}: {nearest(name, names)}")
        stage, key = name.split(".")
        chosen.setdefault(stage, {})[key] = yaml.safe_load(value)
    return read_settings(chosen)


def read_settings(chosen: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Make settings of plain values, checked as Prefect checks a form.

    Raises:
        ValueError: Names the setting, what was expected and what came.
    """
    try:
        return TypeAdapter(Settings).validate_python(dict(chosen))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][:2])
        raise ValueError(f"setting {place}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}") from error

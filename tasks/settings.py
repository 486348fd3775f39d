"""The settings of a deployment, collected from the layers below.

Every field of a stage is optional; its default comes from the dataset's
problem or tokenizer.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic import Field as FormField

from data.errors import nearest
from data.text.encoder import TokenSettings
from rnn_models.evaluation.text_metrics import check_tokenizer
from rnn_models.settings import TrainSettings, check_setting, setting

Policy = Literal["superior", "not_worse", "ask", "always", "never"]
# Those of sacreBLEU that need no file from the network (rnn_models/evaluation/text_metrics.py).
BleuTokenizer = Literal["auto", "13a", "intl", "zh", "char", "ja-mecab", "ko-mecab", "none"]
Guards = dict[str, Annotated[float, FormField(ge=0, le=100)]]
# Settings that are mappings: a name may include a key, as in promotion.guards.PER=1.
MAPPINGS = ("promotion.guards",)
SYNONYMS = {  # names of other tools for a setting
    "lr": "learning_rate",
    "rate": "learning_rate",
    "epochs": "max_epochs",
    "num_epochs": "max_epochs",
    "steps": "max_steps",
    "batch": "batch_size",
    "bs": "batch_size",
    "hidden": "hidden_size",
    "hidden_dim": "hidden_size",
    "units": "hidden_size",
    "embedding": "embedding_size",
    "embedding_dim": "embedding_size",
    "emb_dim": "embedding_size",
    "layers": "num_layers",
    "num_hidden_layers": "num_layers",
    "drop": "dropout",
    "dropout_rate": "dropout",
    "word_dropout": "token_dropout",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "clip": "clip_norm",
    "grad_clip": "clip_norm",
    "max_grad_norm": "clip_norm",
    "gradient_clip_val": "clip_norm",
    "early_stopping": "patience",
    "warmup": "warmup_steps",
    "smoothing": "label_smoothing",
    "optim": "optimizer",
    "cell": "encoder",
    "model": "encoder",
    "rnn_type": "encoder",
    "bptt": "bptt_window",
    "beam": "beam_width",
    "beam_size": "beam_width",
    "num_beams": "beam_width",
    "fp16": "precision",
    "bf16": "precision",
    "amp": "precision",
    "random_seed": "seed",
    "random_state": "seed",
    "metric": "stop_on",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "vocab_size": "vocabulary_size",
    "max_vocab": "vocabulary_size",
    "min_freq": "min_frequency",
    "max_rows": "limit",
    "num_rows": "limit",
    "embeddings": "vectors",
}
REPLACED = {
    "promotion.min_gain": "use promotion.min_effect; a gain must also be significant "
    "(promotion.alpha)"
}


@dataclass(frozen=True, kw_only=True)
class PromotionSettings:
    """When a challenger becomes champion; both are scored on the same test split.

    Points are percentage points of the headline score; for a cost, such as bits
    per character, they are percent of the champion's cost.
    """

    policy: Policy = setting(
        "superior",
        "superior: significantly better; not_worse: for fresh data; ask: superior, and a person "
        "agrees; always; never: by hand.",
    )
    ask_hours: float = setting(
        72.0,
        "Hours that policy ask waits for a person; then the champion stays.",
        low=0.01,
        high=8760,
    )
    alpha: float = setting(
        0.05, "Largest probability of promoting an equal challenger.", low=0.0001, high=0.5
    )
    min_effect: float = setting(
        0.1, "Smallest gain in points for a promotion (superior).", low=0, high=100
    )
    margin: float = setting(
        1.0,
        "Largest loss in points, by the lower bound of its interval (not_worse).",
        low=0,
        high=100,
    )
    guard: float = setting(
        2.0, "Largest significant loss of F1 of any class, in points.", low=0, high=100
    )
    guards: Guards | None = setting(
        None, "Guards of single classes with other values, as in {PER: 1}."
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            if declared.name != "guards":
                check_setting(declared, getattr(self, declared.name))
        for name, points in (self.guards or {}).items():
            if not 0 <= points <= 100:
                raise ValueError(f"guards: points of {name} must be from 0 to 100, got {points!r}")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How a model is scored; a change scores it again without training."""

    bleu_tokenizer: BleuTokenizer = setting(
        "auto",
        "Tokenizer of BLEU; auto: by the target language, else by the script of the references.",
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_setting(declared, getattr(self, declared.name))
        if self.bleu_tokenizer != "auto":
            check_tokenizer(self.bleu_tokenizer)


if TYPE_CHECKING:  # a type checker sees the settings themselves
    TokenChanges: TypeAlias = TokenSettings
    TrainChanges: TypeAlias = TrainSettings
    EvaluationChanges: TypeAlias = EvaluationSettings
    PromotionChanges: TypeAlias = PromotionSettings


def _changes_of(name: str, settings: type[Any]) -> type[Any]:
    """Make a class with the same fields, each None unless it is changed, for forms."""
    kinds = get_type_hints(settings, include_extras=True)

    def form(declared: Field[Any]) -> Any:
        low = declared.metadata["low"]
        high = declared.metadata["high"]
        shown = FormField(description=declared.metadata["about"], ge=low, le=high)
        return Annotated[kinds[declared.name] | None, shown]

    made = make_dataclass(
        name,
        [(f.name, form(f), None) for f in fields(settings)],
        frozen=True,
        kw_only=True,
        namespace={"__doc__": settings.__doc__, "__pydantic_config__": ConfigDict(extra="forbid")},
    )
    made.__module__ = __name__
    return made


if not TYPE_CHECKING:
    TokenChanges = _changes_of("TokenChanges", TokenSettings)
    TrainChanges = _changes_of("TrainChanges", TrainSettings)
    EvaluationChanges = _changes_of("EvaluationChanges", EvaluationSettings)
    PromotionChanges = _changes_of("PromotionChanges", PromotionSettings)


def _reject_replaced(given: Any) -> Any:
    """Name the replacement of a removed promotion setting, before it is rejected as unknown."""
    for name in given if isinstance(given, Mapping) else ():
        if f"promotion.{name}" in REPLACED:
            raise ValueError(f"setting {name!r} no longer exists: {REPLACED[f'promotion.{name}']}")
    return given


def _check_evaluation(given: EvaluationChanges) -> EvaluationChanges:
    """Check before a training whether its scoring can run on this machine."""
    EvaluationSettings(**changes(given))
    return given


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a retraining that a deployment may change; all have defaults."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    tokens: TokenChanges = field(default_factory=TokenChanges)
    training: TrainChanges = field(default_factory=TrainChanges)
    evaluation: Annotated[EvaluationChanges, AfterValidator(_check_evaluation)] = field(
        default_factory=EvaluationChanges
    )
    promotion: Annotated[PromotionChanges, BeforeValidator(_reject_replaced)] = field(
        default_factory=PromotionChanges
    )


def changes(chosen: object) -> dict[str, Any]:
    """Return the changed settings of a stage."""
    names = [declared.name for declared in fields(chosen)]  # type: ignore[arg-type]
    found = {name: getattr(chosen, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def setting_names() -> dict[str, str]:
    """List every setting as ``stage.name``, with one line of description."""
    stages = {
        "tokens": TokenSettings,
        "training": TrainSettings,
        "evaluation": EvaluationSettings,
        "promotion": PromotionSettings,
    }
    return {
        f"{stage}.{f.name}": f.metadata["about"]
        for stage, kind in stages.items()
        for f in fields(kind)
    }


def parse_settings(assignments: list[str], base: Mapping[str, Any] | None = None) -> Settings:
    """Read settings of the command line, such as ``training.max_epochs=2``.

    Args:
        assignments: One ``stage.name=value`` each; the last one of a name wins.
        base: Settings by stage, overridden by the assignments.

    Raises:
        ValueError: If there is no such setting (with the nearest name), or the
            value is invalid.
    """
    names = setting_names()
    chosen: dict[str, dict[str, Any]] = {
        stage: dict(values) for stage, values in (base or {}).items()
    }
    for assignment in assignments:
        name, has_value, text = assignment.partition("=")
        if not has_value:
            raise ValueError(
                f"{assignment!r} is not a setting: write stage.name=value, "
                "as in training.max_epochs=2"
            )
        if not text.strip():
            raise ValueError(f"{name} has no value: write {name}=VALUE, or omit it for its default")
        stage, key, *part = find_setting(name, names)
        value = yaml.safe_load(text)
        stage_values = chosen.setdefault(stage, {})
        stage_values[key] = {**(stage_values.get(key) or {}), part[0]: value} if part else value
    return read_settings(chosen)


def find_setting(name: str, names: Mapping[str, str]) -> list[str]:
    """Split a setting's name into stage, name and, for a mapping, the key.

    Raises:
        ValueError: If there is none; with the one that was probably meant.
    """
    if name in REPLACED:
        raise ValueError(f"setting {name!r} no longer exists: {REPLACED[name]}")
    parts = name.split(".", 2)
    if name in names or (len(parts) == 3 and ".".join(parts[:2]) in MAPPINGS):
        return parts
    stage, _, short = name.rpartition(".")
    synonym = SYNONYMS.get(short.lower(), "")
    known = [
        known
        for known in names
        if known.rpartition(".")[2] == synonym and stage in ("", known.partition(".")[0])
    ]
    hint = f"did you mean {known[0]}?" if known else nearest(name, names)
    raise ValueError(f"there is no setting {name!r}: {hint}")


def read_settings(chosen: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Make settings from plain values, with Prefect's checks of a form.

    Raises:
        ValueError: If one is wrong; with the setting, the expected and the given value.
    """
    try:
        return TypeAdapter(Settings).validate_python(dict(chosen))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        message = first["msg"].removeprefix("Value error, ")  # pydantic's prefix
        raise ValueError(
            f"setting {name}: {message[0].lower()}{message[1:]}, got {first['input']!r}"
        ) from error

"""Rules of rows as settings, with defaults for each shape of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

Shape = tuple[str, ...]
# Each tuple is a shape of rows: the roles of their sides, source before target.
SHAPES: tuple[Shape, ...] = (
    ("text", "label"),
    ("text", "score"),
    ("tokens", "tags"),
    ("source", "target"),
    ("text",),
)
SINGLE_TARGETS = ("label", "tags", "score")  # one text has one of them, or its rows are a conflict
KINDS = {
    "fields": "the row has another number of fields than its file, or a quote is never closed",
    "header": "the row is the header of its file again",
    "not_json": "the line is not JSON",
    "wrong_type": "a value is of another type than its column must have",
    "not_utf8": "bytes that are no text in the file's encoding",
    "no_text": "nothing stands where the text should be",
    "one_side": "one side of a pair is empty",
    "control_characters": "characters that no text has, such as NUL; often a wrong encoding",
    "unknown_label": "a label that the catalog entry does not name",
    "bad_number": "a score that is no finite number",
    "unknown_split": "the column that names the split holds another word",
    "lengths_differ": "tokens and tags are of different number",
    "bad_token": "a token is empty, has a space inside, "
    "or is no single character where characters are tagged",
    "tag_scheme": "a tag that is no valid one, or continues nothing",
    "unknown_entity": "an entity of a kind that the catalog entry does not name",
    "too_short": "less text than checks.min_length",
    "too_long": "more text than checks.max_length",
    "length_ratio": "one side is more than checks.max_ratio times as long as the other",
    "source_equals_target": "both sides of a pair say the same",
    "missing": "a text or label is one of the words that checks.missing lists",
    "duplicate": "the same row stood in the source before",
    "conflict": "the same text stood before with another label, score or other tags",
    "leak": "a training row whose text stands in validation or test, "
    "or a test row that was trained on once",
}

# Rows that are left out on purpose: the source is fine, so they do not stop a training.
HARMLESS = ("duplicate", "leak", "missing")

# Rules about a whole snapshot: they reject no row.
LIMITS = (
    "max_refused_share",
    "max_shrink",
    "new_classes",
    "lost_classes",
    "max_share_change",
    "max_relabelled",
    "max_length_change",
    "max_age_days",
    "max_quiet_slots",
    "slot_minutes",
)


def rule(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    empty: str = "any",
) -> Any:
    """Declare a rule with its line in the docs and its bounds.

    ``empty`` is how the docs write an empty value.
    """
    metadata = {"about": about, "low": low, "high": high, "choices": choices, "empty": empty}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Rules of rows.

    Lengths are in characters of the source text, or in tokens where tokens are tagged.
    """

    min_length: int = rule(1, "Characters (or tokens) of a row, at least.", low=1)
    max_length: int = rule(100_000, "Characters (or tokens) of a row, at most.", low=1)
    max_ratio: float = rule(
        20.0,
        "How many times longer one side of a pair may be, in characters; short pairs may be.",
        low=1,
    )
    copies: str = rule("refuse", "Pairs whose sides say the same.", choices=("refuse", "keep"))
    control_characters: str = rule(
        "refuse", "Texts with control characters.", choices=("refuse", "keep")
    )
    repeats: str = rule(
        "own", "Which copies and contradictions are refused.", choices=("own", "all", "keep")
    )
    # Kept only to meet a published protocol: a score on texts that were trained on is too good.
    leaks: str = rule(
        "refuse",
        "Rows of a publisher's splits that share a text with another split.",
        choices=("refuse", "keep"),
    )
    entities: tuple[str, ...] = rule((), "Kinds of entities that may stand there; empty for any.")
    missing: tuple[str, ...] = rule(
        (),
        "Words that stand for a missing text or label, in any case; their rows are rejected.",
        empty="none",
    )
    max_refused_share: float = rule(
        0.05,
        f"Share of rejected rows, {', '.join(HARMLESS)} not counted, "
        "above which nothing is trained.",
        low=0,
        high=1,
    )
    # A snapshot against the one that was accepted last.
    max_shrink: float = rule(
        0.2, "Share of the rows by which a new snapshot may be smaller.", low=0, high=1
    )
    new_classes: str = rule(
        "stop",
        "A label or kind of entity that is new and not listed in the entry.",
        choices=("stop", "take"),
    )
    lost_classes: str = rule(
        "stop", "A label or kind of entity that no row has any more.", choices=("stop", "take")
    )
    max_share_change: float = rule(
        0.1, "By how much the share of a class may move (0.1: ten points).", low=0, high=1
    )
    max_relabelled: float = rule(
        0.01, "Share of the texts in both snapshots whose label or tags may differ.", low=0, high=1
    )
    max_length_change: float = rule(
        2.0, "How many times longer or shorter the median text may become, not included.", low=1
    )
    # Freshness: these warn and stop nothing.
    max_age_days: float = rule(
        0.0, "Age in days of the newest row above which a warning is given; 0: any age.", low=0
    )
    max_quiet_slots: int = rule(
        7,
        "Scheduled runs in a row without a new row before a warning, "
        "where the source grew before; 0: any number.",
        low=0,
    )
    slot_minutes: float = rule(
        60.0, "Minutes within which several runs count as one scheduled run.", low=0
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            value = getattr(self, declared.name)
            _check_value(declared.name, value, declared.default, declared.metadata)
        if self.min_length > self.max_length:
            raise ValueError(
                "min_length must be at most max_length, "
                f"got {self.min_length} and {self.max_length}"
            )


def _check_value(name: str, value: Any, default: Any, about: Mapping[str, Any]) -> None:
    is_number = isinstance(default, float) and type(value) in (int, float)
    if type(value) is not type(default) and not is_number:
        raise ValueError(f"{name} must be like {default!r}, got {value!r}")
    if about["choices"] and value not in about["choices"]:
        raise ValueError(f"{name} must be one of {', '.join(about['choices'])}, got {value!r}")
    if about["low"] is not None and value < about["low"]:
        raise ValueError(f"{name} must be at least {about['low']}, got {value!r}")
    if about["high"] is not None and value > about["high"]:
        raise ValueError(f"{name} must be at most {about['high']}, got {value!r}")


# Longer rows are no sentences, but whole files or pasted by mistake.
DEFAULTS: Mapping[Shape, CheckSettings] = {
    ("text", "label"): CheckSettings(),
    ("text", "score"): CheckSettings(),
    ("tokens", "tags"): CheckSettings(max_length=2_000),
    ("source", "target"): CheckSettings(max_length=5_000),
    ("text",): CheckSettings(max_length=10_000_000),
}


def rules_of(shape: Shape, changed: Mapping[str, Any]) -> CheckSettings:
    """Return the rules of a shape of rows, with some of them changed.

    Raises:
        ValueError: If a rule cannot have its value.
    """
    given: dict[str, Any] = {
        name: _words(name, value) if isinstance(value, list) else value
        for name, value in changed.items()
    }
    return replace(DEFAULTS[shape], **given)


def _words(name: str, values: list[Any]) -> tuple[str, ...]:
    """Read a list of words; YAML reads some as numbers, and `NULL` as none."""
    for value in values:
        if not isinstance(value, str | int | float | None) or isinstance(value, bool):
            raise ValueError(f"{name} must list words, got {value!r}; write it in quotes")
    return tuple("null" if value is None else str(value) for value in values)

"""Settings: given as text, checked and shown in a form."""

from dataclasses import fields

import pytest
from pydantic import TypeAdapter

from data.text.encoder import TokenSettings
from rnn_models.settings import TrainSettings
from tasks.settings import (
    EvaluationSettings,
    PromotionSettings,
    Settings,
    TrainChanges,
    changes,
    parse_settings,
    read_settings,
    setting_names,
)


def test_assignment_changes_one_setting_only() -> None:
    assert changes(parse_settings(["training.max_epochs=2"]).training) == {"max_epochs": 2}


def test_last_of_two_assignments_applies() -> None:
    assert changes(parse_settings(["tokens.limit=2", "tokens.limit=3"]).tokens) == {"limit": 3}


def test_assignment_takes_precedence_over_the_base() -> None:
    chosen = parse_settings(["tokens.limit=2"], {"tokens": {"limit": 9, "lowercase": True}})
    assert changes(chosen.tokens) == {"limit": 2, "lowercase": True}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("training.max_epoch=2", "did you mean training.max_epochs"),
        ("trainning.max_epochs=2", "did you mean training.max_epochs"),
        ("max_epochs", "write stage.name=value"),
        ("training.max_epochs=two", "training.max_epochs: input should be a valid integer.*'two'"),
        ("training.dropout=2", "training.dropout: .*less than or equal to 0.95, got 2"),
        ("training.encoder=lstn", "training.encoder: .*'lstm', 'gru', 'rnn' or 'cnn', got 'lstn'"),
        ("promotion.min_effect=-1", "promotion.min_effect: .*greater than or equal to 0, got -1"),
        (
            "promotion.policy=better",
            "promotion.policy: .*'superior', 'not_worse', 'ask', 'always' or 'never', got 'better'",
        ),
        ("promotion.guards={PER: -1}", "promotion.guards: .*greater than or equal to 0, got -1"),
        (
            "promotion.min_gain=1",
            "setting 'promotion.min_gain' no longer exists: use promotion.min_effect",
        ),
    ],
)
def test_invalid_assignment_raises_with_the_expected_value(typed: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_settings([typed])


def test_unknown_key_raises_as_in_a_form() -> None:
    with pytest.raises(ValueError, match=r"training.*max_epoch"):
        read_settings({"training": {"max_epoch": 2}})


@pytest.mark.parametrize(
    "settings", [TokenSettings, TrainSettings, EvaluationSettings, PromotionSettings]
)
def test_every_setting_has_a_description(settings: type) -> None:
    assert all(declared.metadata["about"].endswith(".") for declared in fields(settings))


def test_every_setting_can_be_given_as_text() -> None:
    for name in setting_names():
        assert name.count(".") == 1
        assert parse_settings([f"{name}=null"])


def test_removed_settings_raise_with_their_replacement() -> None:
    with pytest.raises(
        ValueError, match=r"setting 'min_gain' no longer exists: use promotion.min_effect"
    ):
        read_settings({"promotion": {"min_gain": 0.5}})


def test_guard_of_a_class_is_given_as_a_mapping() -> None:
    chosen = parse_settings(["promotion.guards={PER: 0.5, LOC: 3}", "promotion.policy=not_worse"])
    settings = PromotionSettings(**changes(chosen.promotion))
    assert (settings.policy, settings.guards, settings.alpha) == (
        "not_worse",
        {"PER": 0.5, "LOC": 3},
        0.05,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"alpha": 0.0}, "alpha must be at least 0.0001, got 0.0"),
        (
            {"policy": "maybe"},
            "policy must be one of superior, not_worse, ask, always, never, got 'maybe'",
        ),
        ({"guards": {"PER": 101.0}}, "guards: points of PER must be from 0 to 100, got 101.0"),
    ],
)
def test_promotion_settings_raise_for_invalid_values(
    given: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        PromotionSettings(**given)  # type: ignore[arg-type]


def test_the_form_shows_bounds_and_descriptions() -> None:
    schema = TypeAdapter(Settings).json_schema()
    shown = schema["$defs"]["TrainChanges"]["properties"]["dropout"]
    assert shown["description"] == "Share of units dropped, one mask over all steps."
    assert {"maximum": 0.95, "minimum": 0, "type": "number"} in shown["anyOf"]


def test_unset_setting_takes_the_default_of_the_problem() -> None:
    assert TrainSettings(dropout=0.7).with_changes(changes(TrainChanges())) == TrainSettings(
        dropout=0.7
    )

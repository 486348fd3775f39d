"""Settings raise for invalid values with the expected ones."""

import re
from dataclasses import fields

import pytest

from rnn_models.settings import TrainSettings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("encoder", "transformer", "encoder must be one of lstm, gru, rnn, cnn, got 'transformer'"),
        (
            "pooling",
            "sum",
            "pooling must be one of mean_max, mean, max, last, attention, got 'sum'",
        ),
        (
            "schedule",
            None,
            "schedule must be one of cosine, plateau, constant, inverse_square_root, got None",
        ),
        ("hidden_size", 0, "hidden_size must be at least 1, got 0"),
        ("num_layers", 1.0, "num_layers must be of type int, got 1.0"),
        ("max_epochs", "8", "max_epochs must be of type int, got '8'"),
        ("batch_size", True, "batch_size must be of type int, got True"),
        ("dropout", 1.0, "dropout must be at most 0.95, got 1.0"),
        ("token_dropout", -0.1, "token_dropout must be at least 0, got -0.1"),
        ("learning_rate", "2e-3", "learning_rate must be of type float, got '2e-3'"),
        ("learning_rate", float("nan"), "learning_rate must be at least 0, got nan"),
        ("clip_norm", 0, "clip_norm must be at least 1e-06, got 0"),
        ("seed", -1, "seed must be at least 0, got -1"),
    ],
)
def test_invalid_value_raises_with_name_expected_and_actual_value(name, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TrainSettings(**{name: value})


def test_integer_is_accepted_for_a_float():
    assert TrainSettings(clip_norm=5, learning_rate=1).clip_norm == 5


@pytest.mark.parametrize("bound", ["low", "high"])
def test_bounds_are_inclusive(bound):
    values = {
        f.name: f.metadata[bound] for f in fields(TrainSettings) if f.metadata[bound] is not None
    }
    assert values
    TrainSettings(**values)


def test_every_setting_has_a_description():
    assert all(f.metadata["about"].endswith(".") for f in fields(TrainSettings))


def test_with_changes_replaces_given_settings_and_keeps_the_rest():
    before = TrainSettings(hidden_size=7, encoder="gru")
    assert before.with_changes({"encoder": "rnn"}) == TrainSettings(hidden_size=7, encoder="rnn")


def test_with_changes_to_none_keeps_the_value():
    before = TrainSettings(hidden_size=7)
    assert before.with_changes({"hidden_size": None}) == before


def test_with_changes_to_zero_is_a_change():
    assert TrainSettings(dropout=0.5).with_changes({"dropout": 0}).dropout == 0


def test_with_changes_checks_the_new_value():
    with pytest.raises(ValueError, match="beam_width must be at least 1, got 0"):
        TrainSettings().with_changes({"beam_width": 0})


def test_with_changes_raises_for_an_unknown_setting():
    with pytest.raises(TypeError, match="hiden_size"):
        TrainSettings().with_changes({"hiden_size": 8})

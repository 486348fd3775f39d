"""What the run form's fields become: settings, or one sentence about a mistake."""

import pytest

from tasks.run_form import assignments, changed_values, chosen_settings
from tasks.settings import read_settings


def test_the_advanced_field_takes_what_set_takes() -> None:
    text = "training.seed=2\n--set promotion.guards={PER: 1, LOC: 2}  --set tokens.min_frequency=1 "
    expected = ["training.seed=2", "promotion.guards={PER: 1, LOC: 2}", "tokens.min_frequency=1"]
    assert assignments(text) == expected
    assert assignments("--set training.seed=2") == ["training.seed=2"]
    assert assignments("") == []


def test_advanced_wins_over_main_settings_and_these_over_prefect_yaml() -> None:
    given = {"training": {"max_epochs": 1, "hidden_size": 8}, "tokens": {"limit": 10}}
    found = chosen_settings(given, {"max_epochs": 2, "limit": None}, "training.hidden_size=9")
    assert changed_values(found) == {
        "training": {"max_epochs": 2, "hidden_size": 9},
        "tokens": {"limit": 10},
    }


@pytest.mark.parametrize(
    ("main", "advanced", "said"),
    [
        ({}, "training.max_epoch=3", "did you mean training.max_epochs"),
        ({}, "lr=0.1", "did you mean training.learning_rate"),
        ({}, "training.max_epochs=0", "greater than or equal to 1, got 0"),
        ({}, "fast please", "is not a setting: write stage.name=value"),
        ({"epochs": 3}, "", "main_settings: there is no 'epochs'"),
    ],
)
def test_a_mistake_is_one_sentence_that_tells_what_to_do(
    main: dict[str, object], advanced: str, said: str
) -> None:
    with pytest.raises(ValueError, match="Start another run with the right value") as caught:
        chosen_settings({}, main, advanced)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_change_nothing_are_not_recorded() -> None:
    assert changed_values(read_settings({})) == {}

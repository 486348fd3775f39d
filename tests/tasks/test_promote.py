"""The rule of promotion."""

import pytest

from tasks.artifacts import Scores
from tasks.evaluate import best_baseline
from tasks.promote import decide
from tasks.settings import PromotionSettings


def scores(value: float, baseline: float = 50.0) -> Scores:
    return Scores(
        dataset="d", digest="s", problem="sentiment", checkpoint="c", tokens="t", mlflow_run="r", test_split="x",
        metrics={"accuracy": {"value": value, "low": value - 1, "high": value + 1, "signature": ""}},
        baselines={"majority": {"accuracy": baseline - 10}, "bag_of_words": {"accuracy": baseline}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("challenger", "champion", "min_gain", "is_promoted"),
    [
        (80.0, 79.0, 0.0, True),
        (79.0, 80.0, 0.0, False),
        (80.0, 80.0, 0.0, False),
        (80.0, 79.5, 1.0, False),
        (81.0, 79.5, 1.0, True),
    ],
)
def test_a_challenger_must_be_better_by_the_least_gain(
    challenger: float, champion: float, min_gain: float, is_promoted: bool
) -> None:
    assert decide(scores(challenger), "3", champion, PromotionSettings(min_gain=min_gain))[0] is is_promoted


def test_the_first_model_must_beat_the_best_cheap_system() -> None:
    assert decide(scores(51.0), None, None, PromotionSettings())[0]
    assert not decide(scores(49.0), None, None, PromotionSettings())[0]


def test_the_reason_names_both_scores_and_the_version() -> None:
    _, reason = decide(scores(79.0), "3", 80.0, PromotionSettings())
    assert reason == "not promoted: accuracy 79.00, -1.00 against champion version 3's 80.00, needs more than +0.00"


def costs(value: float, baseline: float = 3.0) -> Scores:
    return Scores(
        dataset="d", digest="s", problem="generation", checkpoint="c", tokens="t", mlflow_run="r", test_split="x",
        metrics={"bits_per_character": {"value": value, "low": value - 0.1, "high": value + 0.1, "signature": ""}},
        baselines={"unigram": {"bits_per_character": baseline + 1}, "trigram": {"bits_per_character": baseline}},
    )  # fmt: skip


def test_of_a_cost_the_lower_is_better() -> None:
    assert best_baseline(costs(2.0)) == ("trigram", 3.0)
    assert decide(costs(2.9), None, None, PromotionSettings())[0]
    assert not decide(costs(3.1), None, None, PromotionSettings())[0]
    assert decide(costs(2.0), "3", 2.1, PromotionSettings())[0]
    assert not decide(costs(2.1), "3", 2.1, PromotionSettings())[0]
    assert not decide(costs(2.0), "3", 2.1, PromotionSettings(min_gain=0.2))[0]


def test_the_reason_says_a_lower_cost_as_a_gain() -> None:
    _, reason = decide(costs(2.0), "3", 2.25, PromotionSettings())
    assert reason == "promoted: bits_per_character 2.00, +0.25 against champion version 3's 2.25"

"""The promotion rule on comparisons written by hand."""

import math
from dataclasses import replace
from typing import Any

import pytest

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.significance import ClassChange, Comparison
from tasks.promotion.rule import Evidence, check_guards, decide, improving_words
from tasks.settings import PromotionSettings
from tasks.store.artifacts import Checkpoint


def compared(
    ours: float, theirs: float, *, half: float = 1.0, p: float = 0.01, is_cost: bool = False
) -> Comparison:
    """A comparison whose interval reaches ``half`` to both sides."""
    gain = theirs - ours if is_cost else ours - theirs
    return Comparison(
        ours=ours,
        theirs=theirs,
        gain=gain,
        low=gain - half,
        high=gain + half,
        p_bootstrap=p / 2,
        p_swaps=p,
        alpha=0.05,
        num_examples=799,
        num_resamples=10_000,
    )


def evidence(found: Comparison | None, **more: Any) -> Evidence:
    chosen = {
        "metric": find_metric("accuracy"),
        "score": found.ours if found else 80.0,
        "against": "champion version 3",
    } | more
    return Evidence(**chosen, comparison=found)


def decided(
    found: Comparison | None, settings: dict[str, Any] | None = None, **more: Any
) -> tuple[bool, str]:
    return decide(evidence(found, **more), PromotionSettings(**(settings or {})))


@pytest.mark.parametrize(
    ("ours", "p", "settings", "lacks"),
    [
        (81.0, 0.01, {}, ""),
        (81.0, 0.05, {}, ""),
        (81.0, 0.051, {}, "that may be chance, p must be at most 0.05"),
        (81.0, 0.01, {"alpha": 0.005}, "that may be chance, p must be at most 0.005"),
        (79.4, 0.01, {"min_effect": 0.5}, "a gain below 0.50 is not worth it"),
        (79.6, 0.01, {"min_effect": 0.6}, ""),
        (
            79.6,
            0.2,
            {"min_effect": 1.0},
            "that may be chance, p must be at most 0.05; a gain below 1.00 is not worth it",
        ),
        (79.0, 0.01, {"min_effect": 0.0}, "equal scores keep the champion"),
        (78.0, 1.0, {}, "it is worse"),
    ],
)
def test_superior_requires_significance_and_the_minimum_effect(
    ours: float, p: float, settings: dict[str, Any], lacks: str
) -> None:
    is_promoted, reason = decided(compared(ours, 79.0, p=p), settings)
    assert (is_promoted, reason.partition("): ")[2]) == (not lacks, lacks)
    assert reason.startswith("promoted: " if is_promoted else "not promoted: ")


@pytest.mark.parametrize(("margin", "is_promoted"), [(2.0, True), (1.4, False), (1.5, False)])
def test_not_worse_requires_the_lower_bound_above_the_margin(
    margin: float, is_promoted: bool
) -> None:
    found = compared(78.5, 79.0, half=1.0, p=0.9)  # from -1.5 to +0.5
    assert decided(found, {"policy": "not_worse", "margin": margin})[0] is is_promoted


def test_equal_model_of_newer_data_is_not_worse() -> None:
    assert decided(compared(79.0, 79.0, half=0.5, p=1.0), {"policy": "not_worse"})[0]


def test_policy_always_promotes_without_a_comparison_and_policy_never_does_not() -> None:
    assert decided(None, {"policy": "always"}) == (
        True,
        "promoted by policy always, without a comparison: accuracy 80.00",
    )
    is_promoted, reason = decided(compared(90.0, 79.0, p=0.0001), {"policy": "never"})
    assert not is_promoted
    assert reason.startswith(
        "not promoted, for policy never leaves it to a person: accuracy 90.00 against 79.00"
    )


@pytest.mark.parametrize("policy", ["superior", "not_worse"])
@pytest.mark.parametrize(
    ("fall", "p_fall", "guards", "is_promoted"),
    [
        (4.0, 0.01, None, False),
        (4.0, 0.06, None, True),  # may be chance
        (1.9, 0.01, None, True),  # within the guard
        (2.0, 0.01, None, True),
        (4.0, 0.01, {"ORG": 5.0}, True),
        (1.9, 0.01, {"ORG": 1.0}, False),
        (1.9, 0.01, {"PER": 1.0}, True),
        (-4.0, 0.01, None, True),
    ],
)
def test_guard_rejects_a_significant_drop_of_a_class(
    policy: str, fall: float, p_fall: float, guards: dict[str, float] | None, is_promoted: bool
) -> None:
    classes = [
        ClassChange("PER", 900, 80.0, 78.0, 1.0),
        ClassChange("ORG", 300, 70.0 - fall, 70.0, p_fall),
    ]
    found, reason = decided(
        compared(81.0, 79.0), {"policy": policy, "guards": guards}, classes=classes
    )
    assert found is is_promoted
    assert (
        is_promoted
        or f"F1 of ORG falls by {fall:.2f} to {70 - fall:.2f} (p 0.0100), more than its guard of"
        in reason
    )


def test_first_model_must_score_above_the_best_baseline_regardless_of_significance() -> None:
    beaten = {"against": "bag of words", "is_first": True}
    assert decided(compared(51.0, 50.0, p=0.4), **beaten) == (
        True,
        "first champion: accuracy 51.00 against 50.00 of bag of words, gain +1.00 "
        "(90 % interval +0.00 to +2.00, p 0.4000)",
    )
    for score in (50.0, 49.0):
        is_promoted, reason = decided(compared(score, 50.0, p=1.0), **beaten)
        assert not is_promoted
        assert reason.endswith(": the first model must beat the baseline")


def test_champion_is_not_compared_with_itself() -> None:
    assert decided(None, is_champion=True) == (True, "champion already: accuracy 80.00")


@pytest.mark.parametrize(
    ("ours", "settings", "is_promoted"),
    [
        (1.9, {}, True),
        (2.1, {}, False),
        (1.9, {"min_effect": 5.0}, True),  # 5 percent of the champion's 2.0 are 0.1
        (1.901, {"min_effect": 5.0}, False),
        (
            2.01,
            {"policy": "not_worse", "margin": 2.0},
            True,
        ),  # down to -0.035, and 2 percent are 0.04
        (2.01, {"policy": "not_worse", "margin": 1.5}, False),
    ],
)
def test_lower_cost_is_better_and_points_are_percent_of_it(
    ours: float, settings: dict[str, Any], is_promoted: bool
) -> None:
    found = compared(ours, 2.0, half=0.025, is_cost=True)
    assert decided(found, settings, metric=find_metric("bits_per_character"))[0] is is_promoted


def test_reason_states_a_lower_cost_as_a_gain() -> None:
    _, reason = decided(
        compared(2.0, 2.25, half=0.1, is_cost=True), metric=find_metric("bits_per_character")
    )
    assert reason == (
        "promoted: bits per character 2.000 against 2.250 of champion version 3, "
        "gain +0.250 (90 % interval +0.150 to +0.350, p 0.0100)"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["PER", "LOC"], "the test split has no class 'PERS': did you mean PER?"),
        ([], "no class 'PERS': its answers have no classes"),
    ],
)
def test_guard_of_an_unknown_class_raises(names: list[str], expected: str) -> None:
    with pytest.raises(ValueError, match=f"promotion.guards: .*{expected}".replace("?", r"\?")):
        check_guards(names, PromotionSettings(guards={"PERS": 1.0}))


def checkpoint(**more: Any) -> Checkpoint:
    known: dict[str, Any] = {
        "epochs": 4,
        "best_epoch": 4,
        "ended": "max_epochs",
        "improving": "entity F1 88.30",
        "settings": {"max_epochs": 4, "max_steps": 900, "max_minutes": 2.5},
    }
    return Checkpoint(
        dataset="made",
        digest="d",
        problem="ner",
        tokens="t",
        mlflow_run="",
        validation_loss=0.5,
        clipped_share=0.0,
        train_seconds=1.0,
        num_parameters=1,
        **known | more,
    )


@pytest.mark.case("D19")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "in the last of 4 epochs (entity F1 88.30), so more epochs may help: "
            "raise training.max_epochs (now 4)",
        ),
        (
            {"epochs": 1, "best_epoch": 1},
            "in the only epoch (entity F1 88.30), so more epochs may help: "
            "raise training.max_epochs",
        ),
        ({"ended": "max_steps"}, "so more steps may help: raise training.max_steps (now 900)"),
        (
            {"ended": "max_minutes"},
            "so more minutes may help: raise training.max_minutes (now 2.5)",
        ),
        (
            {"best_epoch": 1, "improving": "loss 0.805"},
            "in the last of 4 epochs (loss 0.805), so more epochs may help",
        ),
        ({"best_epoch": 3, "improving": ""}, ""),
        ({"ended": "patience"}, ""),
        ({"ended": "", "improving": ""}, ""),  # of a checkpoint from before this was written down
    ],
)
def test_reason_names_the_limit_to_raise_when_training_was_still_improving(
    changes: dict[str, Any], words: str
) -> None:
    found = improving_words(checkpoint(**changes))
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.case("D19")
@pytest.mark.parametrize(("ours", "is_promoted"), [(78.0, False), (81.0, True)])
def test_reason_suggests_more_training_only_when_not_promoted(
    ours: float, is_promoted: bool
) -> None:
    found, reason = decided(compared(ours, 79.0), improving="Validation was still improving")
    assert found is is_promoted
    assert reason.endswith(": it is worse. Validation was still improving") is not is_promoted
    assert ("improving" in reason) is not is_promoted


POLICIES = ("superior", "not_worse", "always", "never")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("is_first", [True, False])
def test_challenger_with_a_nan_score_is_promoted_under_no_policy(
    policy: str, score: float, is_first: bool
) -> None:
    found = None if policy == "always" else compared(score, 79.0)
    is_promoted, reason = decided(found, {"policy": policy}, score=score, is_first=is_first)
    assert not is_promoted
    assert reason == (
        f"not promoted under any policy: accuracy of the challenger is {score}, "
        "expected a finite number"
    )


@pytest.mark.parametrize("policy", ["superior", "not_worse"])
@pytest.mark.parametrize("is_first", [True, False])
def test_champion_with_a_nan_score_is_not_compared(policy: str, is_first: bool) -> None:
    found = compared(80.0, math.nan)
    is_promoted, reason = decided(found, {"policy": policy}, is_first=is_first)
    assert not is_promoted
    assert "accuracy of champion version 3 is nan, expected a finite number" in reason
    assert "promotion.policy=always promotes without a comparison" in reason


@pytest.mark.parametrize("name", ["gain", "low", "high", "p_swaps", "p_bootstrap"])
@pytest.mark.parametrize("policy", ["superior", "not_worse"])
def test_comparison_that_is_not_finite_promotes_nothing(name: str, policy: str) -> None:
    found = replace(compared(90.0, 79.0), **{name: math.nan})
    is_promoted, reason = decided(found, {"policy": policy})
    assert (is_promoted, reason.endswith("the comparison is not finite")) == (False, True)

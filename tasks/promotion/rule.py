"""The rule of promotion: evidence and settings in, a decision with its reason out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_models.evaluation.metric import Metric
from rnn_models.evaluation.significance import TOLERANCE, ClassChange, Comparison
from rnn_models.names import nearest
from tasks.settings import PromotionSettings
from tasks.store.artifacts import Checkpoint, Promotion


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The headline score of a challenger, and its comparison with the system that it has to beat.

    ``against`` names that system: the champion or, for the first model of its
    name, the best baseline. There is no comparison where the policy needs
    none. ``improving`` notes that training ended while it still helped, empty
    where it did not.
    """

    metric: Metric
    score: float
    against: str = ""
    is_first: bool = False
    is_champion: bool = False
    improving: str = ""
    comparison: Comparison | None = None
    classes: list[ClassChange] = field(default_factory=list)


def decide(evidence: Evidence, settings: PromotionSettings) -> tuple[bool, str]:
    """Decide whether the challenger becomes champion, and give the reason in a sentence.

    The first of its name must score better than the best baseline, beyond
    chance or not: it replaces no version, and the best of several baselines
    was chosen on the same rows. Any other must satisfy the policy. A score
    that is not finite satisfies none: a comparison with NaN is always false.
    """
    if evidence.is_champion:
        score = f"{evidence.metric.title} {_points(evidence, evidence.score)}"
        return True, f"champion already: {score}"
    if not math.isfinite(evidence.score):
        return False, f"not promoted under any policy: {not_a_number(evidence, evidence.score)}"
    if settings.policy == "always":
        score = f"{evidence.metric.title} {_points(evidence, evidence.score)}"
        return True, f"promoted by policy always, without a comparison: {score}"
    found = evidence.comparison
    assert found, "every other policy compares"
    if not math.isfinite(found.theirs):
        return False, (
            f"not promoted: {not_a_number(evidence, found.theirs, evidence.against)}, so nothing "
            "can be compared; promotion.policy=always promotes without a comparison"
        )
    compared = compared_words(evidence, found)
    # Each p-value: their maximum hides a NaN.
    numbers = (found.gain, found.low, found.high, found.p_bootstrap, found.p_swaps)
    if not all(map(math.isfinite, numbers)):
        return False, f"not promoted: {compared}: the comparison is not finite"
    if settings.policy == "never":
        return False, f"not promoted, for policy never leaves it to a person: {compared}"
    if evidence.is_first:
        lacking = [] if found.gain > TOLERANCE else ["the first model must beat the baseline"]
    else:
        find_lacking = {
            "superior": lacking_of_superior,
            "ask": lacking_of_superior,
            "not_worse": lacking_of_not_worse,
        }
        lacking = find_lacking[settings.policy](evidence, found, settings)
        lacking += fallen_words(evidence.classes, settings)
    if lacking:
        more = f". {evidence.improving}" if evidence.improving else ""
        return False, f"not promoted: {compared}: {'; '.join(lacking)}{more}"
    return True, f"{'first champion' if evidence.is_first else 'promoted'}: {compared}"


def not_a_number(evidence: Evidence, score: float, whose: str = "the challenger") -> str:
    """Say that a score is no finite number."""
    return f"{evidence.metric.title} of {whose} is {score}, expected a finite number"


def lacking_of_superior(
    evidence: Evidence, found: Comparison, settings: PromotionSettings
) -> list[str]:
    """List why a challenger is not better beyond chance; equal scores keep the champion."""
    if abs(found.gain) <= TOLERANCE:
        return ["equal scores keep the champion"]
    if found.gain < 0:
        return ["it is worse"]
    least = in_unit(evidence, found, settings.min_effect)
    lacking = []
    if found.p_value > settings.alpha:
        lacking.append(f"that may be chance, p must be at most {settings.alpha:g}")
    if found.gain < least - TOLERANCE:
        lacking.append(f"a gain below {_points(evidence, least)} is not worth it")
    return lacking


def lacking_of_not_worse(
    evidence: Evidence, found: Comparison, settings: PromotionSettings
) -> list[str]:
    """List why a challenger may be worse by more than a margin; an equal one is not."""
    least = -in_unit(evidence, found, settings.margin)
    if found.low > least:
        return []
    return [f"it may be worse, the interval must lie above {_signed(evidence, least)}"]


def has_fallen(change: ClassChange, settings: PromotionSettings) -> bool:
    """Whether a class has fallen beyond chance, and by more than its guard."""
    return (
        change.p_fall <= settings.alpha
        and -change.gain > guard_of(change.name, settings) + TOLERANCE
    )


def guard_of(name: str, settings: PromotionSettings) -> float:
    """Give the points of F1 that a class may fall."""
    return (settings.guards or {}).get(name, settings.guard)


def check_guards(names: Sequence[str], settings: PromotionSettings) -> None:
    """Reject a guard of a class that does not exist.

    Raises:
        ValueError: With the class and the nearest name.
    """
    for name in settings.guards or {}:
        if name not in names:
            expected = nearest(name, list(names)) if names else "its answers have no classes"
            raise ValueError(
                f"setting promotion.guards: the test split has no class {name!r}: {expected}"
            )


# What helps a training that a budget of the run ended.
MORE = {"max_run_minutes": "minutes", "max_memory_gb": "memory"}


def improving_words(checkpoint: Checkpoint) -> str:
    """Advise more epochs where validation was still improving in the last one; empty elsewhere."""
    if not checkpoint.improving or checkpoint.ended == "patience":
        return ""
    where = (
        f"in the last of {checkpoint.epochs} epochs"
        if checkpoint.epochs > 1
        else "in the only epoch"
    )
    more = MORE.get(checkpoint.ended) or checkpoint.ended.removeprefix("max_")
    limit = f"training.{checkpoint.ended}"
    return (
        f"Validation was still improving {where} ({checkpoint.improving}), so more {more} may "
        f"help: raise {limit} (now {checkpoint.settings[checkpoint.ended]:g})"
    )


def fallen_words(classes: Sequence[ClassChange], settings: PromotionSettings) -> list[str]:
    """Describe each class whose fall prevents the promotion, in a clause."""
    return [
        f"F1 of {change.name} falls by {-change.gain:.2f} to {change.ours:.2f} "
        f"(p {change.p_fall:.4f}), more than its guard of {guard_of(change.name, settings):g}"
        for change in classes
        if has_fallen(change, settings)
    ]


def compared_words(evidence: Evidence, found: Comparison) -> str:
    """Describe both scores and their difference, with its interval and p-value."""
    low = _signed(evidence, found.low)
    high = _signed(evidence, found.high)
    return (
        f"{evidence.metric.title} {_points(evidence, found.ours)} against "
        f"{_points(evidence, found.theirs)} of {evidence.against}, "
        f"gain {_signed(evidence, found.gain)} "
        f"({level(found)} interval {low} to {high}, p {found.p_value:.4f})"
    )


def level(found: Comparison) -> str:
    """Give the confidence level of a comparison's interval."""
    return f"{100 * (1 - 2 * found.alpha):g} %"


def in_unit(evidence: Evidence, found: Comparison, points: float) -> float:
    """Convert points of a setting: percent points of a score, percent of the champion's cost."""
    return points / 100 * found.theirs if evidence.metric.is_cost else points


def tags_of(promotion: Promotion) -> dict[str, str]:
    """Make the tags of a version that show the decision on it."""
    decision = "promoted" if promotion.is_promoted else "not promoted"
    tags = {
        "refrain.decision": "waits for a person" if promotion.asked_until else decision,
        "refrain.decision.digest": promotion.digest,
        "refrain.decision.policy": promotion.settings["policy"],
        "refrain.decision.reason": promotion.reason,
        "refrain.decision.against": promotion.against,
    }
    if promotion.decided_by:
        tags["refrain.decision.by"] = promotion.decided_by
    if not promotion.comparison:
        return tags
    found = Comparison(**promotion.comparison)
    return tags | {
        "refrain.decision.gain": f"{found.gain:+.4f}",
        "refrain.decision.interval": f"{found.low:+.4f} to {found.high:+.4f} ({level(found)})",
        "refrain.decision.p_value": f"{found.p_value:.4f}",
        "refrain.decision.examples": str(found.num_examples),
    }


def _points(evidence: Evidence, value: float) -> str:
    return f"{value:.{_digits(evidence)}f}"


def _signed(evidence: Evidence, value: float) -> str:
    return f"{value:+.{_digits(evidence)}f}"


def _digits(evidence: Evidence) -> int:
    return 3 if evidence.metric.is_cost else 2

"""The rule of promotion: what was compared and what is asked for in, yes or no and a sentence that says why out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.significance import TOLERANCE, ClassChange, Comparison
from rnn_models.names import nearest
from tasks.settings import PromotionSettings
from tasks.store.artifacts import Checkpoint, Promotion


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a challenger: its headline score, and how it compares with whom it has to beat.

    ``against`` names that one, the champion or, for the first model of its
    name, the best baseline. There is no comparison where the policy asks for
    none. ``improving`` says that training ended while it still helped, empty
    where it did not.
    """

    metric: str
    score: float
    against: str
    is_first: bool = False
    is_champion: bool = False
    improving: str = ""
    comparison: Comparison | None = None
    classes: list[ClassChange] = field(default_factory=list)


def decide(evidence: Evidence, settings: PromotionSettings) -> tuple[bool, str]:
    """Say whether the challenger becomes champion, and why, in a sentence.

    The first of its name must score better than the best baseline. That
    this is more than chance is not asked for: it takes nobody's place, and the
    best of several was chosen on the very same rows. Any other must satisfy the policy.
    """
    if evidence.is_champion:
        return True, f"champion already: {_title(evidence)} {_points(evidence, evidence.score)}"
    if settings.policy == "always":
        return (
            True,
            f"promoted by policy always, without a comparison: {_title(evidence)} {_points(evidence, evidence.score)}",
        )
    found = evidence.comparison
    assert found, "every other policy compares"
    compared = compared_words(evidence, found)
    if settings.policy == "never":
        return False, f"not promoted, for policy never leaves it to a person: {compared}"
    if evidence.is_first:
        lacking = [] if found.gain > TOLERANCE else ["the first model must beat the baseline"]
    else:
        asked = {"superior": lacking_of_superior, "not_worse": lacking_of_not_worse}[
            settings.policy
        ]
        lacking = asked(evidence, found, settings) + fallen_words(evidence.classes, settings)
    if lacking:
        more = f". {evidence.improving}" if evidence.improving else ""
        return False, f"not promoted: {compared}: {'; '.join(lacking)}{more}"
    return True, f"{'first champion' if evidence.is_first else 'promoted'}: {compared}"


def lacking_of_superior(
    evidence: Evidence, found: Comparison, settings: PromotionSettings
) -> list[str]:
    """What a challenger lacks to be better beyond chance; equal scores keep the champion."""
    if abs(found.gain) <= TOLERANCE:
        return ["equal scores keep the champion"]
    if found.gain < 0:
        return ["it is worse"]
    least = in_unit(evidence, found, settings.min_effect)
    lacking = (
        []
        if found.p_value <= settings.alpha
        else [f"that may be chance, p must be at most {settings.alpha:g}"]
    )
    return lacking + (
        []
        if found.gain >= least - TOLERANCE
        else [f"a gain below {_points(evidence, least)} is not worth it"]
    )


def lacking_of_not_worse(
    evidence: Evidence, found: Comparison, settings: PromotionSettings
) -> list[str]:
    """What a challenger lacks to be as good but for a margin; an equal one lacks nothing."""
    least = -in_unit(evidence, found, settings.margin)
    return (
        []
        if found.low > least
        else [f"it may be worse, the interval must lie above {_signed(evidence, least)}"]
    )


def has_fallen(change: ClassChange, settings: PromotionSettings) -> bool:
    """Whether a class has fallen beyond chance, and by more than its guard."""
    return (
        change.p_fall <= settings.alpha
        and -change.gain > guard_of(change.name, settings) + TOLERANCE
    )


def guard_of(name: str, settings: PromotionSettings) -> float:
    """Points of F1 that a class may fall."""
    return (settings.guards or {}).get(name, settings.guard)


def check_guards(names: Sequence[str], settings: PromotionSettings) -> None:
    """Refuse a guard of a class that there is not.

    Raises:
        ValueError: Names the class and the nearest.
    """
    for name in settings.guards or {}:
        if name not in names:
            expected = nearest(name, list(names)) if names else "its answers have no classes"
            raise ValueError(
                f"setting promotion.guards: the test split has no class {name!r}: {expected}"
            )


def improving_words(checkpoint: Checkpoint) -> str:
    """Say that more epochs may help, where validation was still improving in the last one; empty where it was not."""
    if not checkpoint.improving or checkpoint.ended == "patience":
        return ""
    where = (
        f"in the last of {checkpoint.epochs} epochs"
        if checkpoint.epochs > 1
        else "in the only epoch"
    )
    more, limit = checkpoint.ended.removeprefix("max_"), f"training.{checkpoint.ended}"
    return (
        f"Validation was still improving {where} ({checkpoint.improving}), so more {more} may help: "
        f"raise {limit} (now {checkpoint.settings[checkpoint.ended]:g})"
    )


def fallen_words(classes: Sequence[ClassChange], settings: PromotionSettings) -> list[str]:
    """A clause for each class that keeps a challenger from its place."""
    return [
        f"F1 of {change.name} falls by {-change.gain:.2f} to {change.ours:.2f} (p {change.p_fall:.4f}), "
        f"more than its guard of {guard_of(change.name, settings):g}"
        for change in classes
        if has_fallen(change, settings)
    ]


def compared_words(evidence: Evidence, found: Comparison) -> str:
    """Both scores and the difference, with its interval and p-value."""
    low, high = _signed(evidence, found.low), _signed(evidence, found.high)
    return (
        f"{_title(evidence)} {_points(evidence, found.ours)} against {_points(evidence, found.theirs)} of {evidence.against}, "
        f"gain {_signed(evidence, found.gain)} ({level(found)} interval {low} to {high}, p {found.p_value:.4f})"
    )


def level(found: Comparison) -> str:
    """What share of intervals like this one has the true difference within."""
    return f"{100 * (1 - 2 * found.alpha):g} %"


def in_unit(evidence: Evidence, found: Comparison, points: float) -> float:
    """Points of a setting in the unit of the headline: percent points of a score, percent of the champion's cost."""
    return points / 100 * found.theirs if find_metric(evidence.metric).is_cost else points


def tags_of(promotion: Promotion) -> dict[str, str]:
    """What a version tells about the decision on it."""
    told = {
        "refrain.decision": "promoted" if promotion.is_promoted else "not promoted",
        "refrain.decision.digest": promotion.digest,
        "refrain.decision.policy": promotion.settings["policy"],
        "refrain.decision.reason": promotion.reason,
        "refrain.decision.against": promotion.against,
    }
    if not promotion.comparison:
        return told
    found = Comparison(**promotion.comparison)
    return told | {
        "refrain.decision.gain": f"{found.gain:+.4f}",
        "refrain.decision.interval": f"{found.low:+.4f} to {found.high:+.4f} ({level(found)})",
        "refrain.decision.p_value": f"{found.p_value:.4f}",
        "refrain.decision.examples": str(found.num_examples),
    }


def _title(evidence: Evidence) -> str:
    return find_metric(evidence.metric).title


def _points(evidence: Evidence, value: float) -> str:
    return f"{value:.{3 if find_metric(evidence.metric).is_cost else 2}f}"


def _signed(evidence: Evidence, value: float) -> str:
    return f"{value:+.{3 if find_metric(evidence.metric).is_cost else 2}f}"

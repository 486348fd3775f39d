"""The cost of a model: minutes of training for each decision, and for each point gained."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tasks.promotion.ledger import KEPT, PROMOTED, Ledger
from tasks.registry.versions import check_model
from tasks.store.artifacts import Checkpoint, Promotion, Scores
from tasks.store.manifests import explained_damage


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one decision cost and gained.

    ``minutes`` of its training are None where the checkpoint was pruned, and 0 where an earlier
    decision used the same training. ``points`` are those of the metric, in favor of the new
    champion; 0 if the old one stayed, None for a first champion.
    """

    number: int
    when: str
    event: str
    version: str
    minutes: float | None
    points: float | None


@explained_damage()
def cost_of(name: str) -> dict[str, Any]:
    """Add up the cost of a model: each decision, all minutes, points, and minutes per point.

    Raises:
        ValueError: If there is no such model.
        OSError: If MLflow gave no answer.
    """
    check_model(name)
    costs = list(_costs(Ledger.of(name)))
    minutes = sum(each.minutes or 0.0 for each in costs)
    points = sum(each.points or 0.0 for each in costs)
    return {
        "model": name,
        "decisions": [asdict(each) for each in costs],
        "minutes": minutes,
        "points": points,
        "minutes_per_point": minutes / points if points > 0 else None,
    }


def _costs(ledger: Ledger) -> Iterator[Cost]:
    """List the decisions of trainings, the oldest first."""
    known: set[str] = set()
    for line in ledger.lines:
        if line.event not in (PROMOTED, KEPT) or not line.decision:
            continue
        decision = Promotion.listed(ledger.name, line.decision)
        scores = Scores.listed(ledger.name, decision.scores) if decision else None
        key = scores.checkpoint if scores else ""
        training = Checkpoint.listed(ledger.name, key) if key else None
        is_known = key in known
        known.add(key)
        yield Cost(
            number=line.number,
            when=line.when,
            event=line.event,
            version=line.version,
            minutes=(0.0 if is_known else training.train_seconds / 60) if training else None,
            points=_points(decision) if line.event == PROMOTED else 0.0,
        )


def _points(decision: Promotion | None) -> float | None:
    """The gain of a promoted version over the champion before it; None if there was none."""
    if decision is None or not decision.champion_version or not decision.comparison:
        return None
    return float(decision.comparison["gain"])

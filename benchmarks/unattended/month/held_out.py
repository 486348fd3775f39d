"""All versions of the month on rows that none of them has seen, beside the champions of each night.

A champion is the best of its time if no version that existed then is better beyond chance on these
rows. The rows of the other domain count once their labels were delivered right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.unattended.month.deliveries import ends_of_reviews, sentences
from benchmarks.unattended.month.judgment import time_of
from tasks.promotion.ledger import Line
from tasks.registry.registered_model import Loaded
from tasks.registry.versions import versions_of

NUM_OTHER = 600
Z_95 = 1.96
NAMES = {"0": "neg", "1": "pos"}
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """A version, when it was made, and which rows of both domains it labels right."""

    version: str
    made: datetime
    own: Hits
    other: Hits

    def hits(self, *, with_other: bool) -> Hits:
        """Give the rows that count."""
        return np.concatenate([self.own, self.other]) if with_other else self.own


def score_all(model: str) -> list[Scored]:
    """Score all versions of a model, the oldest first."""
    own = sentences("dev", "test")
    other = ends_of_reviews("test", NUM_OTHER)
    texts = pd.DataFrame({"text": [text for text, _ in [*own, *other]]})
    labels = np.array([NAMES[label] for _, label in [*own, *other]])
    found = []
    for info in sorted(versions_of(model), key=lambda info: int(info.version)):
        answers = Loaded.of(model, str(info.version)).predict(texts, {})
        is_right = answers["label"].to_numpy() == labels
        made = datetime.fromtimestamp(info.creation_timestamp / 1000, UTC)
        found.append(Scored(str(info.version), made, is_right[: len(own)], is_right[len(own) :]))
    return found


def is_best(
    champion: str, until: datetime, scored: Sequence[Scored], *, with_other: bool
) -> tuple[bool, str]:
    """Tell whether no version of that time is better than the champion beyond chance.

    Returns:
        Whether it is, and both scores.
    """
    hits = {each.version: each.hits(with_other=with_other) for each in scored if each.made < until}
    if champion not in hits:
        return False, "no champion"
    own = hits[champion]
    best = max(hits, key=lambda version: hits[version].mean())
    words = f"champion {champion} {own.mean():.1%}, best {best} {hits[best].mean():.1%}"
    return not any(is_better(each, own) for each in hits.values()), words


def is_better(one: Hits, other: Hits) -> bool:
    """Compare two versions on the same rows by McNemar's test, without a correction."""
    gained = int((one & ~other).sum())
    lost = int((other & ~one).sum())
    return gained > lost and (gained - lost) / math.sqrt(gained + lost) > Z_95


def champion_at(lines: Sequence[Line], until: datetime) -> str:
    """Find the champion at a time; empty if there was none yet."""
    before = [line for line in lines if time_of(line.when) < until]
    return before[-1].champion if before else ""

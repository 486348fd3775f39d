"""A notice: one short sentence about a flow run that ended, with links to its pages."""

import re
from dataclasses import dataclass, field

from tasks.promotion.decision_states import KEPT, NO_CHAMPION, PROMOTED
from tasks.run_states import REFUSED_DATA

ROLLED_BACK = "Rolled back"
FAILED = "failed"
KINDS = {  # by the name of a state
    PROMOTED: "promoted",
    KEPT: "kept",
    NO_CHAMPION: "not-promoted",
    REFUSED_DATA: "refused-data",
    "Stale": "stale",
    "Unusual": "unusual",
    "Drifted": "drifted",
    ROLLED_BACK: "rolled-back",
}
OUTCOMES = {
    "promoted": "promoted",
    "kept": "the champion stays",
    "not-promoted": "not promoted, and there is no champion yet",
    "refused-data": "data refused",
    FAILED: "{flow} failed",
    "stale": "the source is stale",
    "unusual": "the source delivered unusual rows",
    "drifted": "the data drifted",
    "rolled-back": "rolled back",
}
DECISION = re.compile(r"^(not )?promoted: ")  # the outcome stands before it already
MAX_CHARACTERS = 300  # of the reason; the page of the flow run has all of it


@dataclass(frozen=True, kw_only=True)
class Notice:
    """News of a flow run for a person; ``kind`` is a value of ``KINDS`` or ``failed``."""

    time: str  # ISO 8601, UTC; when it was recorded
    kind: str
    dataset: str
    flow: str
    deployment: str  # empty for a run of a terminal
    flow_run: str
    scheduled: str  # ISO 8601, UTC; the slot
    message: str
    links: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What no two notices have in common."""
        return self.flow_run, self.kind

    @property
    def text(self) -> str:
        """The sentence and its links, as they are sent."""
        return "\n".join([self.message, *self.links.values()])


def sentence(kind: str, subject: str, flow: str, reason: str) -> str:
    """Write the sentence of a notice.

    Example:
        >>> sentence("failed", "reviews", "retrain", "the disk is full")
        'reviews, retrain failed: the disk is full'
    """
    short = DECISION.sub("", " ".join(reason.split()))
    if len(short) > MAX_CHARACTERS:
        short = f"{short[:MAX_CHARACTERS]} ..."
    outcome = OUTCOMES[kind].format(flow=flow)
    return f"{subject}, {outcome}: {short}" if short else f"{subject}, {outcome}"

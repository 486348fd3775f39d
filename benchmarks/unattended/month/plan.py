"""The month, written down beforehand: what is delivered and what goes wrong, and the right outcome.

Before each slot comes a delivery, then the monitor, then the retraining. A retraining that the
monitor triggers is one more. The states are the last ones of the flow runs in Prefect.
"""

from dataclasses import dataclass
from functools import partial

from benchmarks.unattended.month import deliveries as of
from benchmarks.unattended.month.disturbances import (
    Disturbance,
    fill_disk,
    kill,
    kill_worker,
    nothing,
    roll_back,
)

DECIDED = ("Promoted", "Kept champion")
UNCHANGED = ("Unchanged",)
GREEN = ("Completed", "Unchanged")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A night: its delivery and disturbance, and the last states that are right.

    ``triggered`` has those of retrainings that the monitor triggers; ``rolled_back`` counts the
    rollbacks in the ledger. The notices follow from the states (``notices.py``).
    """

    title: str
    deliver: of.Delivery = of.usual
    disturb: Disturbance = nothing
    monitor: tuple[str, ...] = GREEN
    retrain: tuple[str, ...] = DECIDED
    triggered: tuple[tuple[str, ...], ...] = ()
    rolled_back: int = 0


USUAL = Slot(title="usual")
STALE = Slot(
    title="the same file again",
    deliver=of.again,
    monitor=("Stale",),
    retrain=UNCHANGED,
)
PLAN = (
    Slot(title="first delivery", deliver=of.first, retrain=("Promoted",)),
    USUAL,
    USUAL,
    USUAL,
    Slot(
        title="broken rows",
        deliver=of.broken,
        monitor=("Refused data",),
        retrain=("Refused data",),
    ),
    Slot(title="mended", deliver=of.mended),
    Slot(
        title="collapsed delivery",
        deliver=of.collapsed,
        monitor=("Unusual",),
    ),
    USUAL,
    Slot(
        title="mislabeled advertisements, and a rollback",
        deliver=of.mislabeled,
        disturb=roll_back,
        monitor=("Drifted",),
        retrain=("Unchanged", "Kept champion"),  # after the rollback it is decided again
        triggered=(("Promoted",),),
        rolled_back=1,
    ),
    Slot(title="withdrawn", deliver=of.withdrawn),
    USUAL,
    Slot(
        title="worker killed",
        disturb=kill_worker,
        retrain=("Cancelled",),
    ),
    USUAL,
    *(STALE for _ in range(7)),
    USUAL,
    Slot(title="Prefect's server killed", disturb=partial(kill, "prefect_server")),
    Slot(title="MLflow's server killed", disturb=partial(kill, "mlflow.server")),
    USUAL,
    Slot(title="full disk", disturb=fill_disk, retrain=("Failed",)),
    USUAL,
    USUAL,
    USUAL,
    USUAL,
    Slot(
        title="another domain",
        deliver=of.other_domain,
        monitor=("Drifted",),
        retrain=UNCHANGED,
        triggered=(DECIDED,),
    ),
)

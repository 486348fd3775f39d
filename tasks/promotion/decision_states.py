"""The last state of a retraining: its name is the decision, and its message the reason."""

from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.registry.registry_tables import CHAMPION
from tasks.store.artifacts import Promotion
from tasks.task_states import UNCHANGED, completed, outcome

PROMOTED = "Promoted"
KEPT = "Kept champion"
NO_CHAMPION = "Not promoted"  # and there is no champion to keep
WAITING = "Waiting"  # for a person


def decided(result: Promotion) -> Promotion:
    """End a retraining with a state that is named by the decision and has its reason."""
    promotion: Promotion = outcome(result)
    is_unchanged = isinstance(result, State) and result.name == UNCHANGED
    is_waiting = bool(promotion.asked_until)
    name = UNCHANGED if is_unchanged and not is_waiting else name_of(promotion)
    return completed(promotion, name, promotion.reason)


def name_of(promotion: Promotion) -> str:
    """Name the last state of a retraining by its decision."""
    if promotion.asked_until:
        return WAITING
    if promotion.is_promoted:
        return PROMOTED
    has_champion = promotion.champion_version or CHAMPION in promotion.aliases
    return KEPT if has_champion else NO_CHAMPION


def end_state(promotion: Promotion) -> State[None]:
    """Make the last state of a flow run that waited for a decision."""
    return Completed(name=name_of(promotion), message=promotion.reason)

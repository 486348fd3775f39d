"""The last state of a retraining: its name is the decision, and its message the reason."""

from prefect.client.schemas.objects import State

from tasks.registry.registry_tables import CHAMPION
from tasks.store.artifacts import Promotion
from tasks.task_states import UNCHANGED, completed, outcome

PROMOTED = "Promoted"
KEPT = "Kept champion"
NO_CHAMPION = "Not promoted"  # and there is no champion to keep


def decided(result: Promotion) -> Promotion:
    """End a retraining with a state that is named by the decision and has its reason."""
    promotion: Promotion = outcome(result)
    if isinstance(result, State) and result.name == UNCHANGED:
        name = UNCHANGED
    elif promotion.is_promoted:
        name = PROMOTED
    else:
        has_champion = promotion.champion_version or CHAMPION in promotion.aliases
        name = KEPT if has_champion else NO_CHAMPION
    return completed(promotion, name, promotion.reason)

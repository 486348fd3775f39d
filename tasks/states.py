"""What a task says of itself in the dashboard."""

import logging
from typing import Any, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.states import Completed

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def unchanged(noun: Result) -> Result:
    """Finish a task with a noun that was there already; its state is called ``Unchanged``."""
    log.info("Unchanged")
    return cast(Result, Completed(name="Unchanged", message="made before, from the same inputs", data=noun))


def outcome(result: Any) -> Any:
    """What a flow gave back, out of the states that Prefect may have wrapped it in."""
    while isinstance(result, State):
        result = result.result()
    return result

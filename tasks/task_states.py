"""What a task says of itself in the dashboard."""

import logging
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.states import Completed

log = logging.getLogger(__name__)
# Prefect shows the lines of these loggers on a run's page, at the level that they have: a worker's
# flow run imports no command line that would set one.
for _name in ("data", "rnn_models", "tasks"):
    logging.getLogger(_name).setLevel(logging.INFO)
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def unchanged(noun: Result) -> Result:
    """Finish a task with a noun that was there already; its state is called ``Unchanged``."""
    log.info("Unchanged")
    return completed(noun, "Unchanged", "made before, from the same inputs")


def completed(noun: Result, name: str, message: str) -> Result:
    """Finish a task with a noun and a state of a name of its own."""
    return cast(Result, Completed(name=name, message=message, data=noun))


def outcome(result: Any) -> Any:
    """What a flow gave back, out of the states that Prefect may have wrapped it in."""
    while isinstance(result, State):
        result = result.result()
    return result


def directly(
    task: Task[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Do a task's work without the engine: for a command that a person waits for and that no flow run is to follow."""
    return cast(Result, outcome(task.fn(*args, **kwargs)))

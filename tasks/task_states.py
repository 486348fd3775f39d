"""States of tasks in the dashboard, and results of flows."""

import logging
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.states import Completed

log = logging.getLogger(__name__)
UNCHANGED = "Unchanged"
# Prefect shows the lines of these loggers on a run's page, at their own level. A worker's flow run
# imports no command line that would set the level.
for _name in ("data", "rnn_models", "tasks"):
    logging.getLogger(_name).setLevel(logging.INFO)
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def unchanged(artifact: Result) -> Result:
    """Finish a task with an existing artifact and a state called ``Unchanged``."""
    log.info("Unchanged")
    return completed(artifact, UNCHANGED, "made before, from the same inputs")


def completed(artifact: Result, name: str, message: str) -> Result:
    """Finish a task with an artifact and a state of the given name."""
    return cast(Result, Completed(name=name, message=message, data=artifact))


def outcome(result: Any) -> Any:
    """Unwrap the result of a flow or task from the states around it."""
    while isinstance(result, State):
        result = result.result()
    return result


def directly(
    task: Task[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run a task's function without the engine, for commands that need no flow run."""
    return cast(Result, outcome(task.fn(*args, **kwargs)))

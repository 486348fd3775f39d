"""How a flow run ends where a person can mend the cause: one sentence, without a traceback."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from prefect.states import Failed

from data.sources.secret_references import hide_logins
from tasks.errors.known_errors import known_error
from tasks.ingestion.refused_data import RefusedDataError

REFUSED_DATA = "Refused data"
FAILED = "Failed"
# Prefect logs two lines for each call of a hook.
QUIET_HOOKS = ("ook 'show_stage'", "ook 'send_notices'")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def in_one_sentence(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """End a flow run with one sentence where a person can mend the cause.

    Prefect would show the error's class, and its traceback in the log.
    """

    @wraps(work)
    def ending(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            message = sentence(error)
            if not message:
                raise
            name = REFUSED_DATA if isinstance(error, RefusedDataError) else FAILED
            return cast(Result, Failed(name=name, message=message, data=error))

    return ending


def sentence(error: BaseException) -> str:
    """Return the message of a known error in one line, without passwords; else nothing."""
    return hide_logins(" ".join((known_error(error) or "").split()))


def plain_record(record: logging.LogRecord) -> bool:
    """Log a known error of a flow run or a task as its message alone, and no call of a hook."""
    message = sentence(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
    if message:
        record.msg = message
        record.args = ()
        record.exc_info = None
    text = record.getMessage()
    return record.levelno > logging.INFO or not any(hook in text for hook in QUIET_HOOKS)


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(plain_record)

"""What a person sees while flows run in this terminal."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.context import TaskRunContext
from rich.console import Console
from rich.markup import escape

from refrain.environment import LOGGERS

err = Console(stderr=True, highlight=False)


class StageHandler(logging.Handler):
    """Writes a log line behind the stage that it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line: time, stage and dataset, fact."""
        context = TaskRunContext.get()
        name = context.task_run.name if context else ""
        stage, _, dataset = name.partition("-")
        style = (
            "yellow"
            if record.levelno >= logging.WARNING
            else "green"
            if record.getMessage() == "Unchanged"
            else ""
        )
        where = f"[bold]{escape(dataset):<16}[/bold]{stage:<10}" if context else ""
        place = f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {where}"
        text = escape(record.getMessage())
        with suppress(BrokenPipeError):
            err.print(f"{place}{f'[{style}]{text}[/{style}]' if style else text}", soft_wrap=True)


def show_progress() -> None:
    """Send the facts of the stages to the terminal."""
    for name in LOGGERS.split(","):
        logger = logging.getLogger(name)
        logger.handlers = [
            kept for kept in logger.handlers if not isinstance(kept, StageHandler)
        ] + [StageHandler()]
        logger.setLevel(logging.INFO)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the facts of the stages to themselves, as long as nothing is made."""
    loggers = [logging.getLogger(name) for name in LOGGERS.split(",")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""Log lines in the terminal while flows run."""

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
    """Write each log line with the stage it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line: time, dataset, stage, message."""
        context = TaskRunContext.get()
        name = context.task_run.name if context else ""
        stage, _, dataset = name.partition("-")
        style = _style(record)
        where = f"[bold]{escape(dataset):<16}[/bold]{stage:<10}" if context else ""
        prefix = f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {where}"
        text = escape(record.getMessage())
        with suppress(BrokenPipeError):
            err.print(f"{prefix}{f'[{style}]{text}[/{style}]' if style else text}", soft_wrap=True)


def _style(record: logging.LogRecord) -> str:
    if record.levelno >= logging.WARNING:
        return "yellow"
    return "green" if record.getMessage() == "Unchanged" else ""


def show_progress() -> None:
    """Send the log lines of the stages to the terminal."""
    for name in LOGGERS.split(","):
        logger = logging.getLogger(name)
        logger.handlers = [
            kept for kept in logger.handlers if not isinstance(kept, StageHandler)
        ] + [StageHandler()]
        logger.setLevel(logging.INFO)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the log lines of the stages while they only look for finished work."""
    loggers = [logging.getLogger(name) for name in LOGGERS.split(",")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

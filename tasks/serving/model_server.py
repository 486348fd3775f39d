"""A served model: MLflow's scoring server behind the limits of requests, for uvicorn."""

import asyncio
import os
import resource
import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import scoring_server

from rnn_models.problem import find_problem
from tasks.serving.prediction_log import SOURCE, PredictionLog, keep_answers
from tasks.serving.request_guard import (
    App,
    Message,
    Receive,
    RequestGuard,
    RequestLimits,
    Scope,
    Send,
)

MODEL = "REFRAIN_SERVED_MODEL"
PROBLEM = "REFRAIN_SERVED_PROBLEM"
LOG = "REFRAIN_SERVED_LOG"
LOG_SIZE = "REFRAIN_SERVED_LOG_GB"
SIZE = "REFRAIN_REQUEST_MB"
MEMORY = "REFRAIN_REQUEST_MEMORY_GB"
MAPPED = Path("/proc/self/statm")


def create_app() -> Any:
    """Load the model that the environment names, and make its application."""
    sys.dont_write_bytecode = True  # compiled files in the registry are compared with nothing
    model = mlflow.pyfunc.load_model(os.environ[MODEL])
    app = scoring_server.init(model)
    limits = RequestLimits(num_bytes=int(float(os.environ[SIZE]) * 2**20))
    app.add_middleware(RequestGuard, limits=limits)
    if os.environ.get(LOG):
        log = opened_log()
        keep_answers(model, log)
        app.add_middleware(LogCloser, log=log)
    limit_memory(float(os.environ[MEMORY]))
    return app


def opened_log() -> PredictionLog:
    """Open the log that the environment names."""
    _, name, number = os.environ[MODEL].split("/")
    about = {"refrain.model": name, "refrain.version": number, "refrain.source": SOURCE}
    kind = find_problem(os.environ[PROBLEM]).output
    most = int(float(os.environ[LOG_SIZE]) * 1e9)
    return PredictionLog(Path(os.environ[LOG]), kind, about, most_bytes=most)


class LogCloser:
    """An ASGI middleware that closes the log when the server stops: SIGTERM ends Python at once."""

    def __init__(self, app: App, log: PredictionLog) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and see the end of the server."""

        async def seen() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.log.close)
            return message

        await self.app(scope, seen if scope["type"] == "lifespan" else receive, send)


def limit_memory(num_gigabytes: float) -> None:
    """Let this process take so much memory more than now; beyond, an allocation fails.

    The request that caused it is then rejected, in place of an end of the process.
    """
    if not MAPPED.exists():  # macOS counts address space in another way
        return
    now = int(MAPPED.read_text().split()[0]) * resource.getpagesize()
    most = now + int(num_gigabytes * 1e9)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )

"""A served model: MLflow's scoring server behind the limits of requests, for uvicorn."""

import os
import resource
import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import scoring_server

from tasks.serving.request_guard import RequestGuard, RequestLimits

MODEL = "REFRAIN_SERVED_MODEL"
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
    limit_memory(float(os.environ[MEMORY]))
    return app


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

"""MLflow's telemetry is off, whatever module a process imports first."""

import os
import subprocess
import sys

import pytest

from tasks.store.installation import ROOT

SCRIPT = """
import importlib, sys
importlib.import_module(sys.argv[1])
from mlflow.telemetry.client import get_telemetry_client
assert get_telemetry_client() is None, "telemetry is on"
"""


@pytest.mark.case("B10")
@pytest.mark.parametrize(
    "module",
    [
        "tasks.registry.registered_model",
        "tasks.registry.mlflow_client",
        "flows.predict",
        "flows.retrain",
    ],
)
def test_telemetry_is_off_in_a_process_that_imports(module: str) -> None:
    # MLflow keeps quiet under pytest and in CI by itself, which it tells by variables: the process has none of them.
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ
    }
    command = [sys.executable, "-c", SCRIPT, module]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

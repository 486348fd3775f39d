"""MLflow's telemetry is off, whatever module a process imports first."""

import ast
import os

import pytest

from tasks.store.installation import ROOT
from tests.forked import Outcomes, run_cases

CODE = """
import importlib, sys
assert "mlflow" not in sys.modules
for module in case:
    importlib.import_module(module)
if "mlflow" in sys.modules:
    from mlflow.telemetry.client import get_telemetry_client
    assert get_telemetry_client() is None, "telemetry is on"
"""
# They have nothing to do with MLflow.
LIBRARIES = (
    "alembic.migration",
    "fastapi",
    "google.protobuf.internal.builder",
    "opentelemetry.sdk.trace",
    "pandas",
    "prefect",
    "pyarrow",
    "requests",
    "scipy.sparse",
    "sqlalchemy.orm",
    "sqlparse",
    "torch",
)


def modules_of(folder: str) -> list[str]:
    """All modules of a folder, as they are imported."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in paths
        if path.name != "__init__.py"
    ]


def imported_by_commands(module: str) -> list[str]:
    """Modules of ours that a module imports inside its functions, as commands do."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    functions = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    ]
    inside = [node for function in functions for node in ast.walk(function)]
    names = [str(node.module) for node in inside if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name.split(".")[0] in ("flows", "tasks", "refrain")]


FLOWS = ["tasks.registry.registered_model", "tasks.registry.mlflow_client", *modules_of("flows")]
COMMANDS = [
    module
    for module in ("refrain.app", *modules_of("refrain/commands"))
    if imported_by_commands(module)
]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Status and errors of importing each module, without another reason for silence."""
    modules = {module: [module] for module in FLOWS}
    modules |= {module: [module, *imported_by_commands(module)] for module in COMMANDS}
    # MLflow is quiet under pytest and in CI, which it knows by variables: this process has none.
    kept = ("PATH", "HOME", "OMP_NUM_THREADS")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return run_cases(CODE, modules, libraries=LIBRARIES, cwd=ROOT, environment=environment)


@pytest.mark.case("B10")
@pytest.mark.parametrize("module", FLOWS)
def test_telemetry_is_off_in_a_process_that_imports(module: str, outcomes: Outcomes) -> None:
    status, errors = outcomes[module]
    assert status == 0, errors


@pytest.mark.case("B10")
@pytest.mark.parametrize("module", COMMANDS)
def test_telemetry_is_off_in_a_process_that_runs_a_command_of(
    module: str, outcomes: Outcomes
) -> None:
    status, errors = outcomes[module]
    assert status == 0, errors

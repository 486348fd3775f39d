"""The architecture as a table: which folder may import what."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "refrain": {"refrain", "flows", "tasks", "prefect", "typer", "rich", "yaml"},
    "flows": {"flows", "tasks", "prefect"},
    "tasks": {
        "tasks", "data", "rnn_models", "prefect", "pydantic", "yaml", "matplotlib", "markdown_it", "numpy", "pandas", "pyarrow",
        "fsspec",
    },
    "rnn_models": {"rnn_models", "torch", "safetensors", "sacrebleu", "sklearn", "scipy", "numpy"},
    "data": {
        "data", "pandas", "pyarrow", "numpy", "tokenizers", "yaml", "unearth", "tenacity", "fsspec", "sqlalchemy",
        "charset_normalizer",
    },
}  # fmt: skip
ALSO = {
    "tasks/registry/mlflow_library.py": {"mlflow"},
    # They run elsewhere: in whatever serves a model, and in a process without our packages.
    "tasks/serving/pyfunc_model.py": {"mlflow"}, "tasks/inference/isolated_worker.py": {"mlflow"},
    "tasks/store/locks.py": {"filelock"},
    "data/sources/hub.py": {"datasets", "huggingface_hub"}, "data/sources/filesystem.py": {"aiohttp"},
    "data/formats/abc_notation.py": {"music21"},
}  # fmt: skip
# What an optional extra brings is imported when it is needed.
EXTRAS = (
    Path("data/sources/hub.py"),
    Path("data/sources/filesystem.py"),
    Path("data/formats/abc_notation.py"),
)
MODULES = sorted(
    path.relative_to(ROOT) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py")
)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    allowed = MAY_IMPORT[path.parts[0]] | ALSO.get(str(path), set()) | set(sys.stdlib_module_names)
    assert set(imported(path)) <= allowed


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parts[0] != "refrain" and p not in EXTRAS], ids=str
)
def test_no_module_below_the_flows_imports_inside_a_function(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [
        n.lineno
        for f in functions
        for n in ast.walk(f)
        if isinstance(n, ast.Import | ast.ImportFrom)
    ]


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=str)
def test_an_init_file_holds_a_docstring_and_nothing_else(path: Path) -> None:
    body = ast.parse((ROOT / path).read_text()).body
    assert [type(node) for node in body] == [ast.Expr]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_has_more_than_300_lines(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_pickle_is_read_or_written(path: Path) -> None:
    assert not {"pickle", "cloudpickle", "dill", "joblib"} & set(imported(path))
    assert "torch.load" not in (ROOT / path).read_text()

"""The libraries that each folder may import, and other rules of the house that read all modules."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "refrain": {"refrain", "flows", "tasks", "prefect", "typer", "rich", "yaml"},
    "flows": {"flows", "tasks", "prefect"},
    "tasks": {
        "tasks",
        "data",
        "rnn_models",
        "prefect",
        "pydantic",
        "yaml",
        "matplotlib",
        "markdown_it",
        "numpy",
        "pandas",
        "pyarrow",
        "fsspec",
    },
    "rnn_models": {"rnn_models", "torch", "safetensors", "sacrebleu", "sklearn", "scipy", "numpy"},
    "data": {
        "data",
        "pandas",
        "pyarrow",
        "numpy",
        "tokenizers",
        "yaml",
        "unearth",
        "tenacity",
        "fsspec",
        "sqlalchemy",
        "charset_normalizer",
    },
}
ALSO = {
    "refrain/doctor/packages.py": {"packaging"},
    "tasks/registry/mlflow_library.py": {"mlflow"},
    # They run elsewhere: in whatever serves a model, and in a process without our packages.
    "tasks/serving/pyfunc_model.py": {"mlflow"},
    "tasks/serving/model_server.py": {"mlflow"},
    "tasks/inference/isolated_worker.py": {"mlflow"},
    "tasks/store/locks.py": {"filelock"},
    "tasks/store/checksums.py": {"xxhash"},
    "data/text/learned_vectors.py": {"scipy", "sklearn"},
    "data/sources/hub.py": {"datasets", "huggingface_hub"},
    "data/sources/filesystem.py": {"aiohttp"},
    "data/formats/abc_notation.py": {"music21"},
}
# What an optional extra brings is imported when it is needed.
EXTRAS = (
    Path("data/sources/hub.py"),
    Path("data/sources/filesystem.py"),
    Path("data/formats/abc_notation.py"),
)
# Each takes up to a second to import, and only some stages and commands need it.
HEAVY = {"matplotlib", "sacrebleu", "scipy", "sklearn"}
MODULES = sorted(
    path.relative_to(ROOT) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py")
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def nodes(path: Path, kind: Any) -> Iterator[Any]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, kind))


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path, ast.Import | ast.ImportFrom):
        yield from _names(node)


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    assert node.level == 0, f"relative import of {node.module}"
    return [(node.module or "").split(".")[0]]


def test_each_folder_imports_only_its_permitted_libraries() -> None:
    """Check the libraries; the layers are contracts of import-linter in pyproject.toml."""
    stdlib = set(sys.stdlib_module_names)
    wrong = {
        str(path): sorted(found)
        for path in MODULES
        if (
            found := set(imported(path))
            - MAY_IMPORT[path.parts[0]]
            - ALSO.get(str(path), set())
            - stdlib
        )
    }
    assert wrong == {}


def test_only_heavy_libraries_are_imported_inside_functions_below_the_command_line() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path in MODULES
        if path.parts[0] != "refrain" and path not in EXTRAS
        for function in nodes(path, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) and not set(_names(node)) <= HEAVY
    ]
    assert wrong == []


def test_init_files_contain_only_a_docstring() -> None:
    files = [path for path in MODULES if path.name == "__init__.py"]
    wrong = [str(p) for p in files if [type(node) for node in tree(p).body] != [ast.Expr]]
    assert wrong == []


def test_no_module_has_more_than_300_lines() -> None:
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > 300} == {}


def test_no_weights_are_loaded_that_could_run_code() -> None:
    assert [str(path) for path in MODULES if "torch.load" in (ROOT / path).read_text()] == []

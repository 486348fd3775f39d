"""Code digests: the imports of a stage's modules, as syntax trees.

Comments, docstrings, line breaks and positions are ignored, so formatting or
a corrected sentence invalidates nothing. Modules found by name (sources,
formats, problems) are entries of the datasets that use them.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.store.installation import PACKAGE, ROOT, path_of_module, source_text

OURS = ("tasks", "rnn_models", "data")
# These modules name, find or track artifacts, but do not affect their content. Their imports are
# not followed.
BOUNDARY = frozenset(
    Path("tasks", name)
    for name in (
        "ingestion/catalog_entries.py",
        "ingestion/catalogs.py",
        "ingestion/learned_vectors.py",
        "registry/mlflow_client.py",
        "registry/versions.py",
        "settings.py",
        "store/artifact_base.py",
        "store/artifacts.py",
        "store/checksums.py",
        "store/code.py",
        "store/damaged.py",
        "store/durable.py",
        "store/home.py",
        "store/installation.py",
        "store/leases.py",
        "store/temporary.py",
        "store/tied_process.py",
        "store/locks.py",
        "store/lookup.py",
        "store/manifests.py",
        "store/sealed.py",
        "task_states.py",
    )
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_digest(
    *entries: str, alone: Iterable[str] = (), libraries: tuple[str, ...] = (), root: Path = ROOT
) -> str:
    """Digest all code that some modules run.

    Args:
        entries: Modules as paths from the root, digested with their imports.
        alone: Modules digested without their imports: tasks that only call the entries.
        libraries: Libraries whose versions are included.
        root: Folder of the packages.
    """
    modules = {*needed_modules(map(Path, entries), root, boundary=BOUNDARY), *map(Path, alone)}
    return _digest(modules, libraries, root)


def path_of(module: str) -> str:
    """Return the path of a module from its dotted name, for ``code_digest``."""
    return module.removeprefix(PACKAGE).replace(".", "/") + ".py"


def modules_digest(modules: Iterable[Path], root: Path = ROOT) -> str:
    """Digest some modules without their imports."""
    return _digest(set(modules), (), root)


def _digest(modules: set[Path], libraries: tuple[str, ...], root: Path) -> str:
    parts = [
        f"{path.as_posix()} {shape_digest(source_text(path, root))}" for path in sorted(modules)
    ]
    parts += [f"{library} {version(library)}" for library in libraries]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def needed_modules(
    entries: Iterable[Path], root: Path = ROOT, *, boundary: frozenset[Path] = frozenset()
) -> list[Path]:
    """Find all modules of this project that some modules import, including themselves.

    Args:
        entries: Modules to start from, as paths from the root.
        root: Folder of the packages.
        boundary: Modules to exclude, with everything that only they import.
    """
    found = set[Path]()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        stamp = path_of_module(path, root).stat().st_mtime_ns
        waiting += [module for module in _imports(path, root, stamp) if module not in boundary]
    packages = {
        parent / "__init__.py" for path in found for parent in path.parents if parent != Path()
    }
    return sorted(found | packages)


@cache
def _imports(path: Path, root: Path, stamp: int) -> list[Path]:
    """List the modules that a module imports; one run asks for the same ones twenty times."""
    paths = [Path(*name.split(".")) for name in imported_names(source_text(path, root))]
    modules = [path.with_suffix(".py") for path in paths]
    modules += [path / "__init__.py" for path in paths]
    return [module for module in modules if path_of_module(module, root).is_file()]


def imported_names(text: str) -> tuple[str, ...]:
    """List the project modules a module imports; for `from a import b`, both a and a.b."""
    return _read(text)[0]


def shape_digest(text: str) -> str:
    """Digest the syntax tree of a module without its docstrings and positions."""
    return _read(text)[1]


def attributes_of(text: str, names: frozenset[str]) -> frozenset[str]:
    """List the attributes that a module reads of objects of some names, such as ``settings``."""
    return frozenset(attribute for name, attribute in _read(text)[2] if name in names)


@cache
def _read(text: str) -> tuple[tuple[str, ...], str, frozenset[tuple[str, str]]]:
    """Return imports, digest and attributes of a module; parsing takes most of the time."""
    tree = ast.parse(text)
    names: list[str] = []
    attributes = set[tuple[str, str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            attributes.add((_last_name(node.value), node.attr))
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    found = tuple(name for name in names if name.split(".")[0] in OURS)
    return found, hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(attributes)


def _last_name(node: ast.expr) -> str:
    """Name an object: ``settings`` of ``settings`` and of ``model.settings``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def training_modules(problem: str) -> tuple[str, str]:
    """Return the entry modules of a training of a problem."""
    return "rnn_models/training/loop.py", f"rnn_models/problems/{problem}.py"


def digest(*parts: Any) -> str:
    """Digest plain values: equal values have equal digests."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def training_code(problem: str) -> str:
    """Digest all code that a training of a problem runs, and torch's version."""
    return code_digest(*training_modules(problem), libraries=("torch",))

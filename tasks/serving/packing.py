"""Packing: a model's files and the code that runs it, so that it loads anywhere.

The code travels as a package whose name holds a digest of it. So two versions
with different code load side by side in one process, and neither meets a
package of the user's that happens to be called ``data`` or ``tasks``.
"""

import ast
import re
import shutil
import sys
from pathlib import Path

from rnn_models.checkpoints.checkpoint import SETTINGS, WEIGHTS
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.code import OURS, modules_digest, needed_modules
from tasks.store.installation import ROOT, source_text

SERVING = Path("tasks/serving/pyfunc_model.py")
IMPORT = re.compile(rf"^(\s*from|\s*import) ({'|'.join(OURS)})\b", flags=re.MULTILINE)


def needed_libraries(modules: list[Path], root: Path = ROOT) -> list[str]:
    """List the libraries that some modules import, without ours and the standard library."""
    found = set[str]()
    for node in (node for path in modules for node in ast.walk(ast.parse(source_text(path, root)))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return sorted(found - {*OURS, *sys.stdlib_module_names})


def served_modules(problem: str) -> list[Path]:
    """List our modules that serve a model of a problem, the file for MLflow included."""
    return needed_modules([SERVING, Path(f"rnn_models/problems/{problem}.py")])


def pack_code(problem: str, folder: Path) -> tuple[Path, Path]:
    """Write the serving file and the package it needs.

    Returns:
        The file for MLflow, and the package's folder.
    """
    modules = served_modules(problem)
    texts = {path: source_text(path) for path in modules}
    name = f"refrain_{modules_digest(modules)}"  # code that does the same has the same name
    for path, text in texts.items():
        place = folder / "serving.py" if path == SERVING else folder / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(IMPORT.sub(rf"\1 {name}.\2", text))
    (folder / name / "__init__.py").write_text('"""The code of one Refrain model."""\n')
    return folder / "serving.py", folder / name


def pack_model(checkpoint: Checkpoint, tokens: TokenSet, folder: Path) -> Path:
    """Copy weights, settings and vocabularies into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (
        checkpoint.folder / WEIGHTS,
        checkpoint.folder / SETTINGS,
        *tokens.folder.glob("*.json"),
    ):
        if path.name != "manifest.json":
            shutil.copy(path, folder / path.name)
    return folder

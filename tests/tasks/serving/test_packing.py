"""Code that is packed with a model."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnn_models.problem import problem_names
from tasks.serving.packing import needed_modules, pack_code
from tasks.store.installation import ROOT


@pytest.mark.parametrize("problem", problem_names())
def test_packed_code_imports_without_the_repository(problem: str, tmp_path: Path) -> None:
    _, package = pack_code(problem, tmp_path)
    script = f"""
import sys
ours = {str(ROOT)!r}
sys.path[:] = [{str(tmp_path)!r}] + [p for p in sys.path if p and p != ours]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
from {package.name}.rnn_models.problem import find_problem, problem_names
assert problem_names() == [{problem!r}], problem_names()
assert find_problem({problem!r}).name == {problem!r}
from {package.name}.tasks.serving.predictor import Predictor
ours = ("tasks", "rnn_models", "data", "flows", "prefect")
assert not [name for name in sys.modules if name.split(".")[0] in ours]
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_packed_code_contains_one_problem_and_no_code_of_training_or_registry(tmp_path: Path) -> None:
    _, package = pack_code("ner", tmp_path)
    packed = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert "rnn_models/layers/crf.py" in packed
    assert (
        not {
            "rnn_models/decoding/beam_search.py",
            "data/catalog/catalog.py",
            "tasks/registry/mlflow_client.py",
            "rnn_models/evaluation/metrics.py",
        }
        & packed
    )


def test_package_name_is_equal_for_equal_code_only(tmp_path: Path) -> None:
    names = {
        pack_code(problem, tmp_path / str(i))[1].name
        for i, problem in enumerate(["ner", "ner", "sentiment"])
    }
    assert len(names) == 2


def test_modules_are_followed_through_their_imports() -> None:
    found = {str(path) for path in needed_modules([Path("rnn_models/problems/translation.py")])}
    assert {
        "rnn_models/layers/attention.py",
        "rnn_models/batching/batch.py",
        "rnn_models/__init__.py",
    } <= found

"""Code that is packed with a model."""

from pathlib import Path

import pytest

from rnn_models.problem import problem_names
from tasks.serving.packing import needed_modules, pack_code
from tasks.store.installation import ROOT
from tests.forked import Outcomes, run_cases

IMPORT = f"""
import importlib, sys
folder, name, problem = case
sys.path[:] = [folder] + [p for p in sys.path if p and p != {str(ROOT)!r}]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
problems = importlib.import_module(f"{{name}}.rnn_models.problem")
assert problems.problem_names() == [problem], problems.problem_names()
assert problems.find_problem(problem).name == problem
importlib.import_module(f"{{name}}.tasks.serving.predictor").Predictor
ours = ("tasks", "rnn_models", "data", "flows", "prefect")
assert not [name for name in sys.modules if name.split(".")[0] in ours]
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Status and errors of importing the packed code of each problem."""
    folder = tmp_path_factory.mktemp("packed")
    cases = {
        problem: [str(folder / problem), pack_code(problem, folder / problem)[1].name, problem]
        for problem in problem_names()
    }
    libraries = ("pandas", "pyarrow", "tokenizers", "torch")
    return run_cases(IMPORT, cases, libraries=libraries, cwd=folder)


@pytest.mark.parametrize("problem", problem_names())
def test_packed_code_imports_without_the_repository(problem: str, outcomes: Outcomes) -> None:
    status, errors = outcomes[problem]
    assert status == 0, errors


def test_packed_code_contains_one_problem_and_no_code_of_training_or_registry(
    tmp_path: Path,
) -> None:
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

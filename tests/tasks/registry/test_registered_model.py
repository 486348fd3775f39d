"""Registered models: their files, their requirements, and what they need to run."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.models import Model
from mlflow.pyfunc import scoring_server
from packaging.requirements import Requirement

from rnn_models.problem import problem_names
from tasks.registry.registered_model import Loaded, download, requirements_of
from tasks.serving.packing import needed_libraries, served_modules
from tasks.store.installation import ROOT
from tests.tasks.served import TABLES, Served

each = pytest.mark.parametrize("problem", TABLES)


def folder_of(served: Served, tmp_path: Path) -> Path:
    return download(served.version.name, served.version.version, tmp_path)


def test_there_is_a_served_model_of_every_problem() -> None:
    assert sorted(TABLES) == problem_names()


@each
def test_no_file_of_a_version_is_a_pickle(
    models: dict[str, Served], problem: str, tmp_path: Path
) -> None:
    # A program that loads a version with MLflow may leave compiled code beside the modules.
    files = [
        path
        for path in folder_of(models[problem], tmp_path).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    ]
    assert {path.suffix for path in files} == {".py", ".json", ".safetensors", ".yaml", ".txt", ""}
    assert {path.name for path in files if not path.suffix} == {
        "MLmodel",
        "registered_model_meta",
    }  # both YAML
    starts = {path.name: path.read_bytes()[:1] for path in files if path.suffix != ".safetensors"}
    assert b"\x80" not in starts.values()  # a pickle's first byte
    weights = next(path for path in files if path.suffix == ".safetensors").read_bytes()
    header = json.loads(
        weights[8 : 8 + int.from_bytes(weights[:8], "little")]
    )  # nothing but names, shapes and numbers
    last = max(
        stop
        for name, tensor in header.items()
        if name != "__metadata__"
        for stop in tensor["data_offsets"]
    )
    assert len(weights) == 8 + int.from_bytes(weights[:8], "little") + last


@each
def test_served_model_answers_its_input_example(
    models: dict[str, Served], problem: str, tmp_path: Path
) -> None:
    folder = folder_of(models[problem], tmp_path)
    client = TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(folder))))
    body = (folder / "serving_input_example.json").read_bytes()
    response = client.post(
        "/invocations", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 200, response.text
    assert len(response.json()["predictions"]) == 1


@each
def test_signature_has_the_columns_of_the_answer(
    models: dict[str, Served], problem: str, tmp_path: Path
) -> None:
    made = models[problem].version
    signature = Model.load(str(folder_of(models[problem], tmp_path))).signature
    answer = Loaded.of(made.name, made.version).predict(pd.DataFrame({"text": ["lumo"]}), None)
    assert signature.outputs.input_names() == list(answer.columns)
    takes = {"ner": ["text", "tokens"], "generation": ["text", "label"]}
    assert signature.inputs.input_names() == takes.get(problem, ["text"])


@each
def test_parameters_are_checked_with_a_clear_message(
    models: dict[str, Served], problem: str
) -> None:
    made = models[problem].version
    wrong: dict[str, Any] = {
        "translation": {"beam_width": 0},
        "generation": {"temperature": -1.0},
        "regression": {"max_characters": 0},
    }.get(problem, {"threshold": 2.0})
    with pytest.raises(
        ValueError, match=f"^made_{problem} version 1: {next(iter(wrong))} must be at (least|most)"
    ):
        Loaded.of(made.name, made.version).predict(pd.DataFrame({"text": ["lumo"]}), wrong)


@each
def test_requirements_are_exactly_what_the_code_imports(
    models: dict[str, Served], problem: str, tmp_path: Path
) -> None:
    folder = folder_of(models[problem], tmp_path)
    imported = set()
    for path in folder.rglob("*.py"):
        lines = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), flags=re.MULTILINE)
        imported |= {
            name
            for name in lines
            if name not in sys.stdlib_module_names and not name.startswith("refrain_")
        }
    names = {"mlflow-skinny" if name == "mlflow" else name for name in imported}
    requirements = (folder / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in requirements} == names
    assert all("==" in line and "+" not in line for line in requirements)


def closure(names: list[str]) -> list[str]:
    """Distributions and their dependencies, as pip would install them without extras."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        needed = [Requirement(line) for line in distribution(name).requires or ()]
        waiting += [
            each.name
            for each in needed
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return sorted(found)


def test_every_version_runs_with_only_its_requirements_installed(
    models: dict[str, Served], tmp_path: Path
) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    requirements = requirements_of(needed_libraries(served_modules("ner")))
    for name in closure([line.split("==")[0] for line in requirements]):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if (
                top not in ("..", "__pycache__")
                and not top.endswith(".pth")
                and not (libraries / top).is_symlink()
            ):
                (libraries / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    folders = {
        problem: str(folder_of(made, tmp_path / problem)) for problem, made in models.items()
    }
    script = f"""
import json, socket, sys
def refuse(*_): raise OSError("reached out")
socket.socket.connect = refuse
import mlflow, pandas as pd
answers = {{}}
for problem, folder in {folders!r}.items():
    rows = pd.DataFrame({{"text": ["lumo Kalo", "Ursa"]}})
    found = mlflow.pyfunc.load_model(folder).predict(rows)
    answers[problem] = [list(x) if problem == "ner" else x for x in found.iloc[:, 0]]
absent = ("tasks", "rnn_models", "data", "flows", "prefect")
absent += ("sklearn", "sacrebleu", "sqlalchemy", "matplotlib")
assert not [name for name in absent if name in sys.modules]
print("FOUND" + json.dumps(answers))
"""
    # -S: no site-packages, and so no file of it that leads to this repository.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "REFRAIN"))}
    done = subprocess.run(
        [Path(sys.executable).resolve(), "-S", "-P", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=kept | {"PYTHONPATH": str(libraries), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(ROOT) not in done.stderr
    found = json.loads(done.stdout.split("FOUND")[1])
    for problem, made in models.items():
        here = (
            Loaded.of(made.version.name, made.version.version)
            .predict(pd.DataFrame({"text": ["lumo Kalo", "Ursa"]}), None)
            .iloc[:, 0]
        )
        assert found[problem] == [list(x) if problem == "ner" else x for x in here]

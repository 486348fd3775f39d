"""A version in a separate process."""

import os
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from rnn_models.devices import num_threads
from tasks.inference import isolation
from tasks.inference.isolation import environment, predict_apart, run_apart
from tasks.registry import mlflow_client
from tasks.store.installation import ROOT

NAME = "made_words"
CODE = """
import os, socket, sys
import mlflow
import pandas as pd
import torch
from words import WORD

def found(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True

def reached():
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except OSError as error:
        return str(error)

class Words(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if model_input["text"].iloc[0] == "fail":
            raise RuntimeError(f"{WORD} fails,\\n  in two lines")
        ours = [name for name in ("flows", "tasks", "rnn_models", "data") if found(name)]
        pickle, threads = os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"], torch.get_num_threads()
        row = {"word": WORD, "ours": ours, "network": reached()}
        row |= {"pickle": pickle, "threads": threads}
        return pd.DataFrame([row] * len(model_input))

mlflow.models.set_model(Words())
"""


def register_words(word: str, folder: Path) -> str:
    """Register a version that answers with a word from a package with the same name in all."""
    package = folder / word / "words"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"WORD = {word!r}\n")
    code = folder / word / "serving.py"
    code.write_text(CODE)
    client = mlflow_client.client()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / word))
        mlflow.pyfunc.save_model(
            folder / word / "model",
            python_model=str(code),
            code_paths=[str(package)],
            pip_requirements=[],
        )
    del sys.modules["words"]
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    return str(client.create_model_version(NAME, source=(folder / word / "model").as_uri()).version)


@pytest.fixture(scope="module")
def words_store(
    empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A store with two versions, and their numbers."""
    home = tmp_path_factory.mktemp("words")
    (home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(home))
        return home, [register_words(word, home / "code") for word in ("first", "second")]


@pytest.fixture
def versions(words_store: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("REFRAIN_HOME", str(words_store[0]))
    return words_store[1]


def test_versions_with_different_code_answer_with_their_own_code(versions: list[str]) -> None:
    rows = pd.DataFrame({"text": ["a", "b"]})
    first, second = (predict_apart(NAME, number, rows) for number in versions)
    assert first["word"].tolist() == ["first"] * 2
    assert second["word"].tolist() == ["second"] * 2
    assert first["ours"].tolist() == [
        [],
        [],
    ]  # nothing of this repository can be imported; a list, as in JSON
    assert set(first["network"]) == {"a model tried to reach the network"}
    assert set(first["pickle"]) == {"false"}
    assert set(first["threads"]) == {num_threads()}


def test_error_in_the_process_becomes_one_message(versions: list[str]) -> None:
    with pytest.raises(
        ValueError,
        match=r"^made_words version 2 did not run in a process of its own: "
        r"second fails, in two lines$",
    ):
        predict_apart(NAME, versions[1], pd.DataFrame({"text": ["fail"]}))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "import os\nos.kill(os.getpid(), 9)",
            "signal 9 ended it, as it does where memory is short",
        ),
        (
            "def f():\n    import no_such_library\nf()",
            "ModuleNotFoundError: No module named 'no_such_library'",
        ),
        ("raise SystemExit(3)", "it ended with status 3"),
        ("import time\ntime.sleep(60)", "it took more than 0 minutes"),
    ],
)
def test_early_end_of_the_process_becomes_one_message(
    versions: list[str], script: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").write_text(script)
    monkeypatch.setattr(isolation, "MAIN", tmp_path / "main.py")
    monkeypatch.setattr(isolation, "TIMEOUT_SECONDS", 1 if "sleep" in script else 60)
    with pytest.raises(ValueError, match=f": {expected}$"):
        run_apart(NAME, versions[0], [(pd.DataFrame({"text": ["a"]}), {})])


def test_isolated_process_cannot_import_this_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    assert environment()["PYTHONPATH"] == str(tmp_path)

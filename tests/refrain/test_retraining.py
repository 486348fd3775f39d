"""Several datasets in one command: a failure does not stop the others; the exit status."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from refrain import retraining
from tasks.settings import Settings
from tests.databases import begin_store
from tests.refrain.test_command_line import typed

QUICK = [
    "--set",
    "training.max_epochs=1",
    "--set",
    "training.hidden_size=4",
    "--set",
    "training.embedding_size=4",
]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, store: Path) -> dict[str, Any]:
    """The result of each dataset (an exception, a decision, or None), and the retrained ones."""
    answers: dict[str, Any] = {}

    def find(name: str, *rest: Any, **more: Any) -> Any:
        if isinstance(answers[name], Exception):
            raise answers[name]
        return answers[name]

    monkeypatch.setattr(retraining, "find_promotion", find)
    monkeypatch.setattr(retraining, "summary", lambda promotion: {"dataset": promotion})
    return answers


@pytest.mark.case("45")
def test_error_of_one_dataset_is_listed_and_the_others_continue(
    found: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found |= {"first": ValueError("first, row 3: no label"), "second": "second"}
    rows, failures = retraining.retrain_all(dict.fromkeys(found, Settings()), None, {})
    assert [row["dataset"] for row in rows] == ["second"]
    assert failures == {"first": "first, row 3: no label"}
    assert "first            failed: first, row 3: no label" in capsys.readouterr().err


@pytest.mark.case("45")
def test_internal_error_writes_its_traceback_to_a_file(found: dict[str, Any], store: Path) -> None:
    found |= {"first": KeyError("lumo"), "second": "second"}
    rows, failures = retraining.retrain_all(dict.fromkeys(found, Settings()), None, {})
    assert [row["dataset"] for row in rows] == ["second"]
    (log,) = (store / "logs").glob("failed-first-*.log")
    assert "KeyError: 'lumo'" in log.read_text()
    assert str(log) in failures["first"]


@pytest.mark.case("45")
def test_second_dataset_is_retrained_although_the_first_has_no_file(
    made_catalog: Path, databases: Path, tmp_path: Path
) -> None:
    begin_store(tmp_path / "store", databases)
    entries = yaml.safe_load(made_catalog.read_text())
    broken = entries["made_ner"] | {"source": {"kind": "files", "paths": {"all": "nowhere.conll"}}}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"broken": broken, "made_sentiment": entries["made_sentiment"]})
    )
    words = ["run", "broken", "made_sentiment", "--catalog", str(tmp_path / "mine.yaml"), *QUICK]
    done = typed(*words, home=tmp_path / "store")
    assert done.returncode == 1
    assert "1 of 2 datasets failed:" in done.stderr
    assert "nowhere.conll" in done.stderr
    assert "made_sentiment" in done.stdout  # its row in the table
    again = typed(*words[:1], *words[2:], home=tmp_path / "store")
    assert again.returncode == 0  # such a small model is no champion, which is a decision as well
    without = typed(*words[:1], *words[2:], "--require-champion", home=tmp_path / "store")
    assert without.returncode == 4
    assert "no champion at the end: made_sentiment" in without.stderr

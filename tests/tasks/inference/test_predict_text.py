"""``refrain predict``: one text for a registered model."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from refrain.app import app
from rnn_models.outputs.tags import render
from rnn_models.problem import find_problem
from tasks.inference import predict_text as module
from tasks.inference.predict_text import predict_text
from tasks.registry import mlflow_client
from tests.tasks.served import Served


def says(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["predict", *words])
    assert done.exit_code == status, (done.output, done.exception)
    return done.output if status else done.stdout  # a log line may be in the other stream


def test_predict_prints_the_same_as_text_and_as_json(models: dict[str, Served]) -> None:
    mlflow_client.set_alias("made_sentiment", "wanted", "1")
    answer = json.loads(says("made_sentiment@wanted", "lumo sela", "--json"))
    assert (answer["model"], answer["version"]) == ("made_sentiment", "1")
    shown = says("made_sentiment/1", "lumo sela").splitlines()
    assert shown[0] == answer["label"]
    assert {line.split()[1]: float(line.split()[0]) for line in shown[1:]} == pytest.approx(
        answer["probabilities"], abs=1e-3
    )


def test_predict_options_reach_the_model(models: dict[str, Served]) -> None:
    assert len(says("made_translation/1", "lumo", "--num-best", "3").splitlines()) == 3
    continued = says(
        "made_generation/1", "lumo", "--label", "so", "--length", "3", "--temperature", "0"
    )
    assert continued.startswith("lumo")
    assert len(continued.rstrip("\n")) <= len("lumo") + 3
    assert says("made_generation/1", "--length", "3", "--seed", "4") == says(
        "made_generation/1", "--length", "3", "--seed", "4"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["made_sentiment/1", "lumo", "--beam-width", "3"],
            "made_sentiment version 1 has no parameter beam_width, only threshold, max_characters",
        ),
        (["made_sentiment/1", "lumo", "--threshold", "3"], "threshold must be at most 1, got 3.0"),
        (["made_sentiment/1"], "made_sentiment version 1: row 1, text: there is no text"),
        (
            ["made_sentiment/1", "lumo", "--label", "pos"],
            "--label is for a model that continues texts, made_sentiment does not",
        ),
        (["made_generation/1", "--label", "zz"], "label: there is no 'zz', expected one of no, so"),
        (
            ["made_sentimen", "lumo"],
            "there is no model 'made_sentimen': did you mean made_sentiment",
        ),
    ],
)
def test_predict_explains_invalid_options_in_one_line(
    models: dict[str, Served], words: list[str], expected: str
) -> None:
    shown = says(*words, status=1)
    assert expected in shown
    assert "Traceback" not in shown


def test_predict_writes_a_tune_as_midi(
    models: dict[str, Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune = "X:1\nM:2/4\nL:1/8\nK:G\nGABc|"

    class Composer:
        name = "tunes"
        number = "1"
        kind = find_problem("generation").output

        def predict(self, rows: Any, params: Any) -> Any:
            return rows.assign(text=tune, score=0.5, continuation=tune)

    monkeypatch.setattr(module.Loaded, "of", lambda *_: Composer())
    answer = predict_text("made_generation/1", "", {}, midi=tmp_path / "tune.mid")
    assert (answer.values["text"], answer.lines) == (tune, [tune])
    assert (tmp_path / "tune.mid").read_bytes()[:4] == b"MThd"


def test_predict_prints_entities_with_their_positions() -> None:
    answer = {
        "tags": ["O", "B-PER"],
        "entities": [{"kind": "PER", "text": "Kalo", "start": 3, "stop": 7, "confidence": 0.98765}],
    }
    assert render(answer) == ["O B-PER", "  0.988  PER  Kalo  (3 to 7)"]
    assert re.fullmatch(r"O\n  no entity", "\n".join(render({"tags": ["O"], "entities": []})))


@pytest.mark.case("D19")
def test_predict_reads_files_without_an_engine_and_keeps_their_columns(
    models: dict[str, Served], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,body\n7,lumo sela\n8,\n9,grak\n")
    (tmp_path / "b.jsonl").write_text('{"id": 10, "body": "ta"}\n')
    files = [
        "--file",
        str(tmp_path / "a.csv"),
        "--file",
        str(tmp_path / "b.js*"),
        "--to",
        str(tmp_path / "out"),
    ]
    words = [
        "made_sentiment/1",
        *files,
        "--column",
        "text=body",
        "--keep",
        "id",
        "--threshold",
        "0.1",
        "--part-rows",
        "2",
    ]
    last = says(*words).splitlines()[
        -1
    ]  # a log line precedes it when an earlier test has set up Prefect's logging
    assert re.match(
        r"3 rows predicted, 1 rejected, [\d.]+ s, in .*out, reasons in .*out/_refused$", last
    )
    found, rejected = (
        pd.read_parquet(tmp_path / "out"),
        pd.read_parquet(tmp_path / "out" / "_refused"),
    )
    assert found["id"].tolist() == ["7", "9", "10"]
    assert found["text"].tolist() == ["lumo sela", "grak", "ta"]
    assert [Path(name).name for name in found["file"]] == ["a.csv", "a.csv", "b.jsonl"]
    assert (rejected["id"].tolist(), rejected["row"].tolist()) == (["8"], [3])
    again = json.loads(says(*words, "--json"))
    assert (again["rows"], again["refused"], again["made"]) == (3, 1, 0)


@pytest.mark.case("D19")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--file", "a.csv"], "--file needs --to FOLDER"),
        (
            ["b.csv", "--file", "a.csv", "--to", "out"],
            "TEXT 'b.csv' is for one text, not for --file: put a glob in quotes",
        ),
        (
            ["--file", "a.csv", "--to", "out", "--label", "x"],
            "--label 'x' is for one text, not for --file",
        ),
        (["lumo", "--to", "out"], "--to is for files: name them with --file"),
        (["lumo", "--keep", "id"], "--keep is for files: name them with --file"),
        (
            ["--file", "a.csv", "--to", "out", "--column", "body"],
            "--column body: expected ROLE=NAME, as in text=body",
        ),
        (
            ["--file", "a.csv", "--to", "out", "--column", "txt=body"],
            "columns must name some of label, text, tokens, got txt",
        ),
        (["--file", "a.csv", "--to", "out", "--keep", "no"], "a.csv: has no column 'no'"),
        (
            ["--file", "a.csv", "--to", "out", "--keep", "label"],
            "keep: label is a column of the predictions already",
        ),
        (["--file", "none.csv", "--to", "out"], "none.csv"),
        (
            ["--file", "a.csv", "--to", "out", "--part-rows", "0"],
            "part_rows must be at least 1, got 0",
        ),
        (
            ["--file", "a.csv", "--to", "out", "--beam-width", "3"],
            "made_sentiment version 1 has no parameter beam_width",
        ),
    ],
)
def test_predict_explains_faults_of_files_in_one_line(
    models: dict[str, Served],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("id,text,label\n7,lumo,pos\n")
    assert expected in says("made_sentiment/1", *words, status=1)

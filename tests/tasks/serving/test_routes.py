"""One text, one answer: the command line, files, pyfunc and HTTP read the same texts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from typer.testing import CliRunner

from refrain.app import app
from tasks.inference.file_answers import PredictSettings
from tasks.inference.predict_files import chosen_version, write_predictions
from tasks.registry import mlflow_client
from tests.tasks.served import TABLES, Served

pytestmark = pytest.mark.case("D15")
Route = Callable[
    [str, str, Path], tuple[bool | None, str]
]  # whether a text is unfamiliar, or None and why it is refused
LIMIT = "characters, expected at most 100,000 (max_characters)"
BLANK = "there is no text, only spaces or invisible characters"
TEXTS: dict[str, tuple[str, bool | None, str]] = {
    "empty": ("", None, "there is no text"),
    "a space": (" ", None, BLANK),
    "spaces of all kinds": (" \t\n\u00a0\u3000", None, BLANK),
    "invisible characters": ("\u200b\u2060\ufeff\u00ad\ufe0f\u3164", None, BLANK),
    "usual": ("lumo", False, ""),
    "as long as may be": ("lumo " * 20_000, False, ""),
    "too long": ("lumo " * 20_000 + ".", None, f"100,001 {LIMIT}"),
    "another script": ("\u8fd9\u662f\u4e00\u4e2a \u65b0\u7684", True, ""),
    "signs alone": ("?!\u2026", True, ""),
    "mostly known": ("lumo lumo \u65b0", False, ""),
}


def by_command_line(problem: str, text: str, folder: Path) -> tuple[bool | None, str]:
    done = CliRunner().invoke(app, ["predict", f"made_{problem}/1", text, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return (
        (json.loads(done.output)["unfamiliar"], "") if done.exit_code == 0 else (None, done.output)
    )


def by_files(problem: str, text: str, folder: Path) -> tuple[bool | None, str]:
    (folder / "texts.jsonl").write_text(json.dumps({"text": text}) + "\n")
    write_predictions(
        chosen_version(f"made_{problem}/1"),
        str(folder / "texts.jsonl"),
        str(folder / "out"),
        PredictSettings(),
    )
    found = pd.read_parquet(folder / "out")
    if len(found):
        return bool(found["unfamiliar"].iloc[0]), ""
    return None, str(pd.read_parquet(folder / "out" / "_refused")["reason"].iloc[0])


def loaded(problem: str) -> Any:
    mlflow_client.client()
    return mlflow.pyfunc.load_model(f"models:/made_{problem}/1")


def by_pyfunc(problem: str, text: str, folder: Path) -> tuple[bool | None, str]:
    try:
        return bool(
            loaded(problem)
            .predict(pd.DataFrame({"text": [text]}, dtype=object))["unfamiliar"]
            .iloc[0]
        ), ""
    except MlflowException as error:
        return None, error.message


def by_http(problem: str, text: str, folder: Path) -> tuple[bool | None, str]:
    client = TestClient(scoring_server.init(loaded(problem)), raise_server_exceptions=False)
    response = client.post(
        "/invocations",
        content=json.dumps({"dataframe_records": [{"text": text}]}),
        headers={"content-type": "application/json"},
    )
    body = response.json()
    return (
        (body["predictions"][0]["unfamiliar"], "")
        if response.status_code == 200
        else (None, body["message"])
    )


ROUTES: list[Route] = [by_command_line, by_files, by_pyfunc, by_http]


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_gives_the_same_answer_or_message_for_a_text(
    models: dict[str, Served], tmp_path: Path, route: Route, kind: str
) -> None:
    text, is_unfamiliar, reason = TEXTS[kind]
    found, message = route("sentiment", text, tmp_path)
    assert found == is_unfamiliar
    assert reason in message


@pytest.mark.parametrize("problem", TABLES)
@pytest.mark.parametrize("route", ROUTES)
def test_blank_texts_and_foreign_scripts_are_flagged_for_every_problem(
    models: dict[str, Served], tmp_path: Path, route: Route, problem: str
) -> None:
    is_begun = problem == "generation"  # which needs no beginning
    assert route(problem, "\u200b", tmp_path)[0] is (True if is_begun else None)
    assert route(problem, "\u8fd9\u662f\u4e00\u4e2a", tmp_path)[0] is True
    assert route(problem, "lumo", tmp_path)[0] is False


def test_max_characters_is_a_parameter(models: dict[str, Served]) -> None:
    rows = pd.DataFrame({"text": ["lumo"]})
    assert len(loaded("sentiment").predict(rows, {"max_characters": 4})) == 1
    with pytest.raises(MlflowException, match="4 characters, expected at most 3"):
        loaded("sentiment").predict(rows, {"max_characters": 3})


@pytest.mark.case("25")
@pytest.mark.parametrize("problem", TABLES)
@pytest.mark.parametrize("route", ROUTES)
def test_lone_surrogate_is_reported_with_its_position(
    models: dict[str, Served], tmp_path: Path, route: Route, problem: str
) -> None:
    found, message = route(problem, "caf\udce9 lumo", tmp_path)
    assert found is None
    # The reader of JSON Lines and MLflow's server read first, and have messages of their own.
    theirs = {
        by_files: "text: expected text, got half of a surrogate pair",
        by_http: "in position 3: surrogates not allowed",
    }
    assert theirs.get(route, "half a surrogate pair at character 4 is no text") in message


@pytest.mark.case("25")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["made_generation/1", "lumo", "--label", "s\udce9"],
            "row 1, label: half a surrogate pair at character 2 is no text",
        ),
        (["made_sent\udce9", "lumo"], "there is no model"),
    ],
)
def test_invalid_characters_in_other_arguments_are_one_line(
    models: dict[str, Served], words: list[str], expected: str
) -> None:
    done = CliRunner().invoke(app, ["predict", *words])
    assert isinstance(done.exception, SystemExit), done.exception
    assert expected in done.output

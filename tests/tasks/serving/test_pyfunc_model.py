"""Models served over HTTP by MLflow's own server: valid and invalid bodies."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server

from tasks.registry import mlflow_client
from tasks.store.installation import ROOT
from tests.tasks.served import TABLES, Served

Ask = Callable[..., tuple[int, str]]
FIELDS = {
    "sentiment": {"label", "score", "probabilities", "unfamiliar"},
    "regression": {"score", "unfamiliar"},
    "ner": {"tags", "score", "entities", "unfamiliar"},
    "translation": {"target", "score", "n_best", "unfamiliar"},
    "generation": {"text", "score", "continuation", "unfamiliar"},
}
GOOD = [
    {"dataframe_records": [{"text": "lumo Kalo"}, {"text": "Ursa"}]},
    {"dataframe_split": {"columns": ["text"], "data": [["lumo Kalo"], ["Ursa"]]}},
    {"inputs": {"text": ["lumo Kalo", "Ursa"]}},
]
BAD: list[bytes] = [
    b"",
    b"nonsense",
    b"\xff\xfe",
    b"null",
    b"5",
    b"[]",
    b"{}",
    b'{"dataframe_records": []}',
    b'{"dataframe_records": null}',
    b'{"dataframe_records": {"text": "a"}}',
    b'{"dataframe_records": [5]}',
    b'{"dataframe_records": [{"txt": "a"}]}',
    b'{"dataframe_records": [{"text": 5}]}',
    b'{"dataframe_records": [{"text": null}]}',
    b'{"dataframe_records": [{"text": NaN}]}',
    b'{"dataframe_records": [{"text": ["a"]}]}',
    b'{"dataframe_records": [{"text": {"a": 1}}]}',
    b'{"dataframe_records": [{"text": "\\ud800"}]}',
    b'{"dataframe_records": [{"text": "a"}], "inputs": ["a"]}',
    b'{"dataframe_records": [{"text": "a"}], "params": 5}',
    b'{"dataframe_records": [{"text": "a"}], "params": [1]}',
    b'{"dataframe_split": {"columns": ["text"]}}',
    b'{"dataframe_split": {"data": [["a"]]}}',
    b'{"dataframe_split": {"columns": ["text", "text"], "data": [["a", "b"]]}}',
    b'{"inputs": null}',
    b'{"instances": 5}',
    b'{"inputs": [["a", "b"]]}',
    b'{"messages": []}',
    b'{"input": "x"}',
]
INVALID_PARAMETERS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "sentiment": [
        ({"threshold": 2.0}, "threshold must be at most 1, got 2.0"),
        ({"threshold": "x"}, "threshold"),
    ],
    "regression": [
        ({"max_characters": 0}, "max_characters must be at least 1, got 0"),
        ({"max_characters": "x"}, "max_characters"),
    ],
    "ner": [
        ({"threshold": -1.0}, "threshold must be at least 0, got -1.0"),
        ({"threshold": None}, "must be of type float"),
    ],
    "translation": [
        ({"beam_width": 0}, "beam_width must be at least 1, got 0"),
        ({"num_best": 4}, "num_best must be at most beam_width 3, got 4"),
        ({"beam_width": 1.5}, "beam_width"),
    ],
    "generation": [
        ({"temperature": -1}, "temperature must be at least 0, got -1.0"),
        ({"top_p": 2}, "top_p must be at most 1, got 2.0"),
        ({"judge": "yes"}, "judge"),
    ],
}


@pytest.fixture
def ask(models: dict[str, Served]) -> Ask:
    """MLflow's scoring application, in this process."""
    made: dict[str, TestClient] = {}

    def post(problem: str, body: bytes, kind: str = "application/json") -> tuple[int, str]:
        if problem not in made:
            version = models[problem].version
            mlflow_client.client()
            model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
            made[problem] = TestClient(scoring_server.init(model), raise_server_exceptions=False)
        response = made[problem].post("/invocations", content=body, headers={"content-type": kind})
        return response.status_code, response.text

    return post


def is_refused(status: int, text: str) -> bool:
    """Whether the caller gets the reason and no internals."""
    return (
        status == 400
        and bool(json.loads(text)["message"])
        and "Traceback" not in text
        and "stack_trace" not in text
    )


@pytest.mark.parametrize("problem", TABLES)
def test_valid_body_is_answered_with_the_columns_of_its_problem(ask: Ask, problem: str) -> None:
    for body in GOOD:
        status, text = ask(problem, json.dumps(body).encode())
        assert status == 200, text
        rows = json.loads(text)["predictions"]
        assert [set(row) for row in rows] == [FIELDS[problem]] * 2


@pytest.mark.parametrize("problem", TABLES)
def test_invalid_body_gets_a_client_error(ask: Ask, problem: str) -> None:
    assert [body for body in BAD if not is_refused(*ask(problem, body))] == []


@pytest.mark.parametrize("problem", [problem for problem in TABLES if problem != "ner"])
def test_csv_body_is_answered_and_invalid_rows_get_a_client_error(ask: Ask, problem: str) -> None:
    status, text = ask(problem, b"text\nlumo grak\n5\n", "text/csv")
    assert (status, len(json.loads(text)["predictions"])) == (200, 2)
    for bad in (b"txt\nlumo\n", b"text,label\n,so\n", b"text\n\xff\n"):
        assert is_refused(*ask(problem, bad, "text/csv"))


@pytest.mark.parametrize(
    ("problem", "body"),
    [("ner", b"text\nlumo\n"), ("sentiment", b'text\n"lumo'), ("sentiment", b"")],
)
def test_csv_that_mlflow_cannot_parse_is_answered_by_mlflow(
    ask: Ask, problem: str, body: bytes
) -> None:
    status, text = ask(problem, body, "text/csv")
    assert (status, json.loads(text)["message"][:38]) == (
        400,
        "Failed to parse input as a Pandas Data",
    )


@pytest.mark.parametrize("problem", TABLES)
def test_parameter_out_of_bounds_gets_a_client_error(ask: Ask, problem: str) -> None:
    for params, expected in INVALID_PARAMETERS[problem]:
        body = json.dumps({"dataframe_records": [{"text": "lumo"}], "params": params}).encode()
        status, text = ask(problem, body)
        assert is_refused(status, text), text
        assert expected in json.loads(text)["message"]


@pytest.mark.parametrize(("place", "problem"), enumerate(TABLES))
def test_request_of_the_readme_is_answered(ask: Ask, place: int, problem: str) -> None:
    lines = re.findall(
        r"^curl .*/invocations .*-d '(.*)'$",
        (ROOT / "docs" / "howto" / "serve.md").read_text(),
        flags=re.MULTILINE,
    )
    assert len(lines) == len(TABLES)
    body = json.loads(lines[place])
    assert body["dataframe_records"][0].pop("label", "") in (
        "",
        "6/8",
    )  # no label of the made-up texts
    status, text = ask(problem, json.dumps(body).encode())
    assert status == 200, text


def test_unknown_label_gets_a_client_error(ask: Ask) -> None:
    status, text = ask("generation", b'{"dataframe_records": [{"text": "", "label": "zz"}]}')
    assert is_refused(status, text)
    assert "label: there is no 'zz', expected one of no, so" in json.loads(text)["message"]


def test_a_sentence_of_tokens_is_tagged(ask: Ask) -> None:
    status, text = ask("ner", b'{"dataframe_records": [{"tokens": ["ta", "Kalo Bren", "lumo"]}]}')
    assert status == 200, text
    assert len(json.loads(text)["predictions"][0]["tags"]) == 3
    for bad in (
        b'{"dataframe_records": [{"tokens": "lumo"}]}',
        b'{"dataframe_records": [{"tokens": [1, 2]}]}',
    ):
        assert is_refused(*ask("ner", bad))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def server(models: dict[str, Served], tmp_path: Path) -> Iterator[str]:
    """``mlflow models serve`` of a champion, as a user types it; ended by its process id."""
    version = models["ner"].version
    mlflow_client.set_alias(version.name, mlflow_client.CHAMPION, version.version)
    port = free_port()
    words = ["models", "serve", "-m", f"models:/{version.name}@champion", "--env-manager", "local"]
    command = [sys.executable, "-m", "mlflow", *words, "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow_client.tracking_uri(),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process, tmp_path / "log")
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers, as long as its process lives."""
    for _ in range(1200):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


def post(url: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_champion_is_served_over_http(server: str) -> None:
    status, text = post(server, json.dumps(GOOD[0] | {"params": {"threshold": 0.0}}).encode())
    assert status == 200, text
    rows = json.loads(text)["predictions"]
    assert [len(row["tags"]) for row in rows] == [2, 1]
    assert [body for body in BAD if not is_refused(*post(server, body))] == []
    assert post(server, json.dumps(GOOD[0]).encode())[0] == 200  # and lives on

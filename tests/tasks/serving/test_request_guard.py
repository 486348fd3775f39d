"""Requests to a served model: one that is too large, too deep or too long gets a sentence."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import mlflow
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server

from tasks.registry import mlflow_client
from tasks.serving.predict_table import answer
from tasks.serving.predictor import Predictor
from tasks.serving.request_guard import RequestGuard, RequestLimits, check_json, sentence
from tests.tasks.served import TABLES, Served

Post = Callable[..., tuple[int, str]]
ROWS = b'{"dataframe_records": [{"text": "lumo"}]}'


@pytest.fixture
def post(models: dict[str, Served]) -> Post:
    """MLflow's application behind the guard, as `refrain serve` makes it."""

    def ask(
        problem: str, body: bytes, kind: str | None = "application/json", **limits: int
    ) -> tuple[int, str]:
        version = models[problem].version
        mlflow_client.client()
        app: Any = scoring_server.init(
            mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
        )
        app.add_middleware(RequestGuard, limits=RequestLimits(**limits))
        client = TestClient(app, raise_server_exceptions=False)
        headers = {"content-type": kind} if kind is not None else {}
        response = client.post("/invocations", content=body, headers=headers)
        return response.status_code, response.text

    return ask


def message(text: str) -> str:
    found = json.loads(text)
    assert set(found) == {"error_code", "message"}
    assert "Traceback" not in text
    assert "\n" not in found["message"]
    return str(found["message"])


def nested(depth: int, inside: str = "1") -> bytes:
    return ("[" * depth + inside + "]" * depth).encode()


@pytest.mark.parametrize("problem", TABLES)
def test_valid_request_is_answered(post: Post, problem: str) -> None:
    status, text = post(problem, ROWS)
    assert (status, len(json.loads(text)["predictions"])) == (200, 1)


@pytest.mark.parametrize("depth", [21, 1_000, 100_000])
def test_deep_json_is_rejected(post: Post, depth: int) -> None:
    for body in (nested(depth), b'{"inputs": ' + nested(depth) + b"}", b'{"a":' * depth + b"1"):
        status, text = post("sentiment", body)
        assert status == 400
        assert len(message(text)) < 120


def test_json_depth_is_counted() -> None:
    check_json(nested(20), 20)
    with pytest.raises(Exception, match="the JSON is nested deeper than 20 levels"):
        check_json(nested(21), 20)
    check_json(b'{"a": [{"b": "' + b"[" * 50 + b'"}]}', 4)  # brackets in a text


@pytest.mark.parametrize(
    ("kind", "found"),
    [(None, "none"), ("", "none"), ("text/html", "text/html"), (";", "none")],
)
def test_request_without_content_type_is_rejected(post: Post, kind: str | None, found: str) -> None:
    status, text = post("sentiment", ROWS, kind)
    assert status == 415
    assert message(text) == f"Content-Type must be application/json or text/csv, got {found}"


def test_parquet_is_rejected_because_it_may_unpack_to_any_size(post: Post) -> None:
    assert post("sentiment", b"PAR1", "application/vnd.apache.parquet")[0] == 415


def test_too_large_body_is_rejected(post: Post) -> None:
    status, text = post("sentiment", ROWS * 30, num_bytes=1000)
    assert status == 413
    assert message(text).startswith("the body has more than 1,000 bytes: send fewer rows")


def test_a_megabyte_of_words_is_rejected_with_one_sentence(post: Post) -> None:
    body = json.dumps({"dataframe_records": [{"text": "lumo " * 200_000}]}).encode()
    status, text = post("translation", body)
    assert status == 400
    assert "1,000,000 characters, expected at most 100,000" in message(text)


@pytest.mark.parametrize("body", [b'text\n"lumo', b"", b"\xff\xfe"])
def test_invalid_csv_is_rejected_without_a_traceback(post: Post, body: bytes) -> None:
    status, text = post("sentiment", body, "text/csv")
    assert status == 400
    assert message(text)


def test_error_does_not_repeat_the_request(post: Post) -> None:
    status, text = post("sentiment", b'{"dataframe_records": [{"text": "lumo"}, {"text": ""}]}')
    assert status == 400
    assert message(text) == "row 2, text: there is no text"


def test_concurrent_requests_beyond_the_limit_are_rejected() -> None:
    started = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await asyncio.sleep(0.2)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": ROWS}

    async def send(message: Any) -> None:
        sent.append(message)

    async def both() -> None:
        guard = RequestGuard(app, RequestLimits(at_once=1))
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "path": "/invocations", "method": "POST", "headers": headers}
        first = asyncio.create_task(guard(scope, receive, send))
        await started.wait()
        await guard(scope, receive, send)
        await first
        assert guard.num == 0

    asyncio.run(both())
    assert sent[0]["status"] == 429


@pytest.mark.parametrize("problem", TABLES)
def test_too_slow_call_is_stopped(models: dict[str, Served], problem: str) -> None:
    version = models[problem].version
    mlflow_client.client()
    model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    predictor: Predictor = model.unwrap_python_model().predictor
    rows = pd.DataFrame({"text": ["lumo"]})
    predictor.limit.most_seconds = 1e-9
    with pytest.raises(Exception, match="take more than 1e-09 seconds: send fewer or shorter"):
        answer(predictor, rows, {})
    predictor.limit.most_seconds = 60
    assert len(answer(predictor, rows, {})) == 1
    predictor.limit.most_seconds = 0.05
    started = time.monotonic()
    with predictor.limit.lock, pytest.raises(Exception, match=r"busy for 0\.05 seconds"):
        answer(predictor, rows, {})
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message": "a\\nb"}', "a b"),
        (b'"text"', "text"),
        (b"", "the request cannot be answered"),
        (b"{}", "{}"),
        (b'{"message": "Failed to predict data \'secret\'. \\nError: row 1"}', "row 1"),
    ],
)
def test_error_response_contains_only_the_sentence(body: bytes, expected: str) -> None:
    assert sentence(body) == expected

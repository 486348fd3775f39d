"""Errors of servers and databases in one sentence: variable, address, and what to do."""

import sqlite3

import httpx
import pytest
import requests
import sqlalchemy.exc
from mlflow.exceptions import MlflowException, RestException
from prefect.exceptions import PrefectHTTPStatusError

from tasks.errors.known_errors import known_error
from tasks.errors.server_errors import server_message

MLFLOW = "http://me:secret@127.0.0.1:5000"
PREFECT = "http://127.0.0.1:4200/api"


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", MLFLOW)
    monkeypatch.setenv("PREFECT_API_URL", PREFECT)


def http_error(status: int) -> PrefectHTTPStatusError:
    request = httpx.Request("POST", PREFECT)
    error = httpx.HTTPStatusError(
        "500", request=request, response=httpx.Response(status, request=request)
    )
    return PrefectHTTPStatusError.from_httpx_error(error)


@pytest.mark.parametrize(
    "error",
    [
        MlflowException(f"API request to {MLFLOW}/api failed with exception Max retries\n  trace"),
        RestException({"error_code": "INTERNAL_ERROR", "message": "failed with error code 500"}),
        requests.exceptions.ConnectionError("Max retries exceeded"),
        requests.exceptions.Timeout("Read timed out"),
    ],
)
def test_mlflow_outage_message_names_variable_and_address(error: Exception) -> None:
    message = known_error(error) or ""
    assert message.startswith("MLFLOW_TRACKING_URI is http://***@127.0.0.1:5000, and MLflow does")
    assert "secret" not in message
    assert "\n" not in message
    assert message.endswith("start the same command again")


def test_other_mlflow_error_keeps_its_message() -> None:
    assert known_error(MlflowException("no such run")) == "MLflow failed: no such run"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"Failed to reach API at {PREFECT}"),
        RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server."),
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadTimeout(""),
        http_error(500),
    ],
)
def test_prefect_outage_message_names_variable_and_address(error: Exception) -> None:
    message = known_error(error) or ""
    assert message.startswith(f"PREFECT_API_URL is {PREFECT}, and the Prefect server there does")
    assert "\n" not in message


def test_embedded_engine_outage_message_names_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL")
    message = known_error(httpx.ConnectError("refused")) or ""
    assert message.startswith("Prefect's engine does not respond (refused)")
    assert "engine.log" in message


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        sqlalchemy.exc.OperationalError("SELECT", {}, Exception("database is locked")),
    ],
)
def test_database_error_message_names_the_store(error: Exception) -> None:
    message = known_error(error) or ""
    assert message.startswith("a database in ")
    assert "database is locked" in message


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x"), OSError("x")])
def test_other_error_has_no_server_message(error: Exception) -> None:
    assert server_message(error) == ""

"""The Prefect server answers its own pages and programs, and no page of another site."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from prefect.server.api import collections
from prefect.server.database import configurations

from refrain.prefect_server import (
    ORIGINS,
    OwnPages,
    command,
    create_app,
    environment,
    lock_at_the_start,
)

OWN = "http://127.0.0.1:4200"


def answer(kind: str, headers: dict[str, str], server: str = "127.0.0.1") -> list[dict[str, Any]]:
    """Send a request through the middleware and return the messages sent back."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "passed"})

    async def send(message: Any) -> None:
        sent.append(message)

    pages = OwnPages(app, environment(4200, "joe:secret")[ORIGINS].split(","))
    written = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "headers": written, "server": (server, 4200)}
    asyncio.run(pages(scope, send, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", ["127.0.0.1:4200", "localhost:4200"])
@pytest.mark.parametrize("origin", [None, OWN, "http://localhost:4200"])
def test_requests_of_own_pages_and_programs_pass(kind: str, host: str, origin: str | None) -> None:
    headers = {"host": host} | ({"origin": origin} if origin else {})
    assert answer(kind, headers) == [{"type": "passed"}]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example"},
        {"host": "evil.example:4200"},
        {"host": "127.0.0.1:4200.evil.example"},
        {"host": "prefect-in-memory"},
        {"host": "127.0.0.1:4200", "origin": "http://evil.example"},
        {"host": "127.0.0.1:4200", "origin": "null"},
        {"host": "127.0.0.1:4200", "origin": "http://127.0.0.1:8888"},
        {"host": "127.0.0.1:4200", "origin": f"{OWN}.evil.example"},
        {"host": "127.0.0.1:4200", "origin": "*"},
    ],
)
def test_requests_of_other_origins_get_403(headers: dict[str, str]) -> None:
    assert answer("http", headers)[0]["status"] == 403
    assert answer("websocket", headers) == [{"type": "websocket.close", "code": 1008}]


def test_server_may_call_itself_as_automations_do() -> None:
    assert answer("http", {"host": "prefect-in-memory"}, "prefect-in-memory") == [
        {"type": "passed"}
    ]


def test_lifespan_events_of_the_server_pass() -> None:
    assert answer("lifespan", {}) == [{"type": "passed"}]


def test_origin_of_a_proxy_is_added_to_the_own_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "https://flows.example.org")
    found = environment(4200, "joe:secret")[ORIGINS].split(",")
    assert found == [OWN, "http://localhost:4200", "https://flows.example.org"]


def test_password_is_in_the_environment_and_not_in_the_command() -> None:
    assert environment(4200, "joe:secret")["PREFECT_SERVER_API_AUTH_STRING"] == "joe:secret"
    assert "secret" not in " ".join(command(4200, "warning"))


def test_integration_lists_are_the_copies_shipped_with_prefect(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setenv(ORIGINS, OWN)
    monkeypatch.setattr("prefect.server.api.server.create_app", lambda **_: FastAPI())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: tried.append(address))
    before = dict(collections.KNOWN_VIEWS)
    try:
        create_app()
        found = asyncio.run(collections.get_collection_view("aggregate-worker-metadata"))
    finally:
        collections.KNOWN_VIEWS.update(before)
        collections.GLOBAL_COLLECTIONS_VIEW_CACHE.clear()
    assert "process" in found["prefect"]
    assert tried == []


@pytest.mark.parametrize("is_update", [False, True])
def test_transaction_of_sqlite_locks_when_it_begins(
    monkeypatch: pytest.MonkeyPatch, is_update: bool
) -> None:
    class Database:
        """A database whose transactions tell whether they lock at their start."""

        @contextlib.asynccontextmanager
        async def begin_transaction(
            self, session: None, with_for_update: bool = False
        ) -> AsyncIterator[bool]:
            yield with_for_update

    monkeypatch.setattr(configurations, "AioSqliteConfiguration", Database)
    lock_at_the_start()

    async def is_locked() -> bool:
        async with Database().begin_transaction(None, with_for_update=is_update) as found:
            return found

    assert asyncio.run(is_locked())

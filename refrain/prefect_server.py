"""A Prefect server that only its user and its own pages can call.

Prefect's own defaults have no password, and answer pages of every origin: a page open in a
browser could create a deployment that runs a command on this machine.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from refrain.garbage_collection import collect_rarely

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ORIGINS = "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"
OTHER_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"  # the older name of the same setting
HOSTS = ("127.0.0.1", "localhost")
IN_MEMORY = "prefect-in-memory"  # the host of Prefect's client inside of its server
FORBIDDEN = b"Only the pages of this server may call it: the request has another Host or Origin."


def command(port: int, log_level: str) -> list[str]:
    """Return the command of the server; its password comes in its environment."""
    program = [sys.executable, "-m", "uvicorn", "--factory", f"{__name__}:create_app"]
    options = {"--lifespan": "on", "--log-level": log_level, "--host": "127.0.0.1"}
    return [*program, *(word for option in options.items() for word in option), "--port", str(port)]


def environment(port: int, auth: str) -> dict[str, str]:
    """Return the variables of the server and of its clients.

    Args:
        port: Of the server.
        auth: Its ``user:password``.
    """
    own = [f"http://{host}:{port}" for host in HOSTS]
    more = [os.environ.get(ORIGINS, ""), os.environ.get(OTHER_ORIGINS, "")]  # such as of a proxy
    return {
        "PREFECT_API_URL": f"{own[0]}/api",
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        ORIGINS: ",".join(origin for origin in [*own, *more] if origin),
    }


class OwnPages:
    """An ASGI middleware that answers requests to this server's address from its own pages only.

    A foreign Host is an address that another name server points at this machine (DNS rebinding);
    a foreign Origin is a page of another site. Programs send no Origin.
    """

    def __init__(self, app: App, origins: list[str]) -> None:
        """Answer the hosts of ``origins``."""
        self.app = app
        self.origins = set(origins)
        self.hosts = {urlsplit(origin).netloc for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with status 403."""
        if (
            scope["type"] not in ("http", "websocket")
            or is_in_memory(scope)
            or self.is_own(dict(scope["headers"]))
        ):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": FORBIDDEN})

    def is_own(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request has a host and an origin of this server, or no origin."""
        origin = headers.get(b"origin")
        is_own_origin = origin is None or origin.decode("latin-1") in self.origins
        return is_own_origin and headers.get(b"host", b"").decode("latin-1") in self.hosts


def is_in_memory(scope: Scope) -> bool:
    """Whether the server calls itself, as automations do; a socket has an address in its place."""
    return (scope.get("server") or ("",))[0] == IN_MEMORY


def lock_at_the_start() -> None:
    """Let each transaction of SQLite take the lock of writers when it begins.

    Prefect's begin with a read and lock at their first write. Where another one wrote in between,
    SQLite then raises "database is locked" at once, however long a writer may wait.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    @contextlib.asynccontextmanager
    async def begin_to_write(
        self: Any, session: Any, with_for_update: bool = False
    ) -> AsyncIterator[Any]:
        del with_for_update  # always
        async with begin(self, session, with_for_update=True) as transaction:
            yield transaction

    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign]


def create_app() -> Any:
    """Make the application, for uvicorn."""
    collect_rarely()
    lock_at_the_start()
    from prefect.server.api import collections, server

    # Prefect asks GitHub for lists of its integrations, and falls back to its own copies.
    collections.KNOWN_VIEWS.update({view: f"own:{view}" for view in collections.KNOWN_VIEWS})
    app = server.create_app(final=True)
    app.add_middleware(OwnPages, origins=os.environ[ORIGINS].split(","))
    return app

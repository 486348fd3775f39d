"""Limits of a request to a served model: type, size, depth and number at a time.

It stands before MLflow's scoring server and knows nothing of MLflow. Whatever is the caller's
fault gets a status of 400 to 499 and one sentence, without a trace and without the request.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/invocations"
TYPES = ("application/json", "text/csv")  # Parquet may unpack to any size
MOST_AT_ONCE = 8
MESSAGE_CHARACTERS = 400
ECHO = "Failed to predict data"  # MLflow repeats the request before the reason
REASON = "\nError: "


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """The largest request that is read."""

    num_bytes: int = 1 << 20
    depth: int = 20
    at_once: int = MOST_AT_ONCE


class RejectedError(Exception):
    """A request that is not passed on: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestGuard:
    """An ASGI middleware with the limits of requests."""

    def __init__(self, app: App, limits: RequestLimits | None = None) -> None:
        self.app = app
        self.limits = limits or RequestLimits()
        self.num = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on that keeps the limits, else say which one it breaks."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            if self.num >= self.limits.at_once:
                raise RejectedError(429, f"{self.num} requests are being answered: try again later")
            self.num += 1
            try:
                await self._pass_on(scope, receive, send)
            finally:
                self.num -= 1
        except RejectedError as error:
            await _answer(send, error.status, str(error))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = content_type(dict(scope["headers"]))
        body = await self._body(receive)
        if kind == TYPES[0]:
            check_json(body, self.limits.depth)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        answer = Answer(send)
        await self.app(scope, replay, answer.take)
        await answer.finish()

    async def _body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        num = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":  # the caller is gone
                raise RejectedError(400, "the request ended before its body was complete")
            parts.append(message.get("body", b""))
            num += len(parts[-1])
            if num > self.limits.num_bytes:
                raise RejectedError(
                    413,
                    f"the body has more than {self.limits.num_bytes:,} bytes: send fewer rows, or "
                    "predict a file (refrain predict --file)",
                )
            if not message.get("more_body"):
                return b"".join(parts)


class Answer:
    """An answer of the application; of an error, only the sentence is passed on."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.start: Message = {}
        self.parts: list[bytes] = []

    async def take(self, message: Message) -> None:
        """Pass on a part of a good answer; keep that of an error."""
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self.start = message
        elif self.start:
            self.parts.append(message.get("body", b""))
        else:
            await self.send(message)

    async def finish(self) -> None:
        """Send the sentence of an error."""
        if self.start:
            await _answer(self.send, self.start["status"], sentence(b"".join(self.parts)))


def content_type(headers: Mapping[bytes, bytes]) -> str:
    """Return the type of a request's content.

    Raises:
        RejectedError: If it is missing, or of another kind.
    """
    kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise RejectedError(
            415, f"Content-Type must be {' or '.join(TYPES)}, got {kind[:80] or 'none'}"
        )
    return kind


def check_json(body: bytes, most: int) -> None:
    """Check that a body is JSON that is not nested deeper than ``most``.

    Raises:
        RejectedError: If it is not.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        raise RejectedError(400, f"the JSON is nested deeper than {most} levels") from None
    except ValueError as error:
        reason = getattr(error, "msg", "it is not UTF-8")
        place = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise RejectedError(400, f"the body is not JSON: {reason}{place}") from None
    level = [content]
    for _ in range(most):
        level = [each for value in level for each in _inside(value)]
        if not level:
            return
    raise RejectedError(400, f"the JSON is nested deeper than {most} levels")


def _inside(value: object) -> list[Any]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, dict | list)]


def sentence(body: bytes) -> str:
    """Return the reason in an error of MLflow's server."""
    try:
        content = json.loads(body)
        text = str(content["message"] if isinstance(content, dict) else content)
    except (ValueError, KeyError):
        text = body.decode(errors="replace")
    if text.startswith(ECHO):
        text = text.rpartition(REASON)[2]
    return " ".join(text.split())[:MESSAGE_CHARACTERS] or "the request cannot be answered"


async def _answer(send: Send, status: int, message: str) -> None:
    code = "INVALID_PARAMETER_VALUE" if status < 500 else "INTERNAL_ERROR"
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

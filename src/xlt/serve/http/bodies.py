"""Bodies in, replies out: size limits, read deadline, content codings, lingering close."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from xlt.serve.errors import Problem
from xlt.serve.http.codings import CODINGS, TooLarge, decompress
from xlt.serve.limits import Limits

__all__ = [
    "Connection",
    "Disconnected",
    "Message",
    "Reader",
    "Receive",
    "Reply",
    "Scope",
    "Send",
    "introduced",
    "send_and_linger",
    "send_reply",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LINGER_BYTES = 32 << 20  # of a refused body that are still read, so that the client sees why
LINGER_SECONDS = 1.0
JSON = "application/json"


class Disconnected(Exception):
    """The client has left; nobody waits for an answer."""


class Connection:
    """A client's connection: who wants to know when it is cut, and answers in one packet.

    The protocol puts it into the scope as "xlt.connection". Other servers have none; there,
    waiting for a "http.disconnect" takes a task for each request.

    Args:
        packet: a block whose writes make one packet.
        listen: makes the server read again, which it stops while a large body waits; nothing else
            shows it that the client has gone. A request pipelined later stops it once more.
    """

    def __init__(
        self, packet: AbstractContextManager[None], listen: Callable[[], object] = lambda: None
    ) -> None:
        self.packet, self.listen = packet, listen
        self.is_cut = False
        self.watchers: set[Callable[[], object]] = set()

    def cut(self) -> None:
        """Tell everybody, once."""
        self.is_cut = True
        while self.watchers:
            self.watchers.pop()()

    @contextlib.contextmanager
    def watched(self, tell: Callable[[], object], *, listen: bool = False) -> Iterator[None]:
        """A block in which `tell` is called when the connection is cut, or has been.

        Args:
            tell: takes nothing.
            listen: whether it is worth reading on for; the body has come.
        """
        if self.is_cut:
            tell()
        else:
            self.watchers.add(tell)
            if listen:
                self.listen()
        try:
            yield
        finally:
            self.watchers.discard(tell)


def introduced(app: ASGIApp, connection: Connection) -> ASGIApp:
    """The application, which finds the connection of each request in its scope."""

    async def introduced(scope: Scope, receive: Any, send: Send) -> None:
        scope["xlt.connection"] = connection
        cycle = receive.__self__

        def mark() -> None:  # of pipelined requests uvicorn tells the last one only
            cycle.disconnected = True

        with connection.watched(mark):
            await app(scope, receive, send)

    return introduced


@dataclass(slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Reader:
    """Reads request bodies; all of them together stay within the queue's bytes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.reserved = 0

    async def read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The whole body, decompressed.

        Raises:
            Problem: 413 over the limit (before reading where the length is declared), 408 when
                it takes too long, 415 for an encoding we do not know, 400 for a broken one.
            Disconnected: the client left in the middle.
        """
        limit = self.limits.body_bytes
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in CODINGS:
            raise Problem(
                415,
                "unsupported_encoding",
                "content-encoding must be gzip, deflate or identity",
                "content-encoding",
                close=True,
            )
        declared = headers.get(b"content-length")
        expected = int(declared) if declared is not None and declared.isdigit() else limit
        if expected > limit:
            raise self._too_large(f"{expected} bytes")
        if self.reserved + expected > self.limits.queue_bytes:
            raise Problem(
                429,
                "overloaded",
                "too many requests are being read (--queue-bytes); try again in a moment",
                retry_after=1.0,
                close=True,
            )
        self.reserved += expected
        try:
            async with asyncio.timeout(self.limits.read_seconds):
                body = await self._collect(receive)
        except TimeoutError:
            raise Problem(
                408,
                "read_timeout",
                f"the body did not arrive within {self.limits.read_seconds:g} s (--read-seconds)",
                close=True,
            ) from None
        finally:
            self.reserved -= expected
        try:
            return decompress(body, encoding, limit)
        except TooLarge:
            size = f"more than {limit} bytes when decompressed"
            raise self._too_large(size, close=False) from None

    async def _collect(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(body) > self.limits.body_bytes:
                raise self._too_large(f"{len(body)} bytes")
            return body
        chunks = bytearray(body)
        while message.get("more_body", False):
            if len(chunks) > self.limits.body_bytes:
                raise self._too_large(f"more than {len(chunks) - 1} bytes")
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunks += message.get("body", b"")
        if len(chunks) > self.limits.body_bytes:
            raise self._too_large(f"{len(chunks)} bytes")
        return bytes(chunks)

    def _too_large(self, size: str, *, close: bool = True) -> Problem:
        return Problem(
            413,
            "body_too_large",
            f"the body has {size}; at most {self.limits.body_bytes} are taken (--body-bytes)",
            close=close,
        )


async def send_reply(
    send: Send,
    reply: Reply,
    extra: list[tuple[bytes, bytes]],
    connection: Connection | None = None,
) -> None:
    """Send an answer with its length."""
    start = {"type": "http.response.start", "status": reply.status, "headers": _raw(reply, extra)}
    with contextlib.nullcontext() if connection is None else connection.packet:
        await send(start)
        await send({"type": "http.response.body", "body": reply.body})


async def send_and_linger(
    send: Send, receive: Receive, reply: Reply, extra: list[tuple[bytes, bytes]]
) -> None:
    """Send an answer that closes the connection while the client may still be sending.

    Closing at once would make the system reset the connection and the client lose the answer; so
    a bounded part of what is still coming is read and thrown away first.
    """
    await send(
        {"type": "http.response.start", "status": reply.status, "headers": _raw(reply, extra)}
    )
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
                left -= len(message.get("body", b""))
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


def _raw(reply: Reply, extra: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", reply.content_type.encode("ascii")),
        (b"content-length", str(len(reply.body)).encode("ascii")),
        *extra,
        *(
            (name.encode("ascii"), value.encode("latin-1", "replace"))
            for name, value in reply.headers
        ),
    ]

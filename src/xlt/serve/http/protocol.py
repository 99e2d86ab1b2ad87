"""uvicorn's HTTP protocol with deadlines, a bound on heads, JSON errors for malformed requests.

uvicorn offers no hooks for these, so its protocol class is extended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from xlt.serve.errors import Problem, body_of, headers_of
from xlt.serve.http.bodies import Connection, introduced
from xlt.serve.http.heads import HEAD_BYTES, PlainParser, check_codings, unsupported_coding
from xlt.serve.http.losses import Losses
from xlt.serve.http.packets import OnePacket
from xlt.serve.http.sockets import descriptor_of, most_files, was_reset
from xlt.serve.limits import Limits

__all__ = ["protocol_class"]

CHUNK_HEAD = 8  # bytes that may come with each byte of a chunked body
ENDING_SECONDS = 0.5
LINGER_SECONDS = 1.0
PROBE_SECONDS = 0.2
FILES_KEPT = 8  # descriptors for models, and for connections that are told there is no room
LEAST_TAKEN = 64 << 10  # bytes of an answer that a client takes within the write deadline, or all


def protocol_class(
    limits: Limits, losses: Losses | None = None, *, pure_python: bool = False
) -> type[asyncio.Protocol]:
    """A protocol class for `uvicorn.Config(http=...)`, on httptools where that is installed."""
    base = _base(pure_python)
    parts = {
        "limits": limits,
        "losses": losses or Losses(),
        "counts_bodies": hasattr(base, "on_body"),
        "last_file": most_files() - FILES_KEPT,
    }
    return type("GuardedProtocol", (Guarded, base), parts)


class Guarded(asyncio.Protocol):
    """One connection: what is added to a protocol class of uvicorn that stands behind it.

    The attributes without values, and the methods that end in a call of `_uvicorn`, are
    uvicorn's own and private; `tests/serve/http/test_private.py` names the versions they were
    seen in.
    """

    limits: ClassVar[Limits]
    losses: ClassVar[Losses]
    last_file: ClassVar[int]  # a connection with a higher descriptor is not taken
    counts_bodies: ClassVar[bool]  # whether the parser tells of each part of a body
    cycle: Any
    flow: Any
    config: Any
    app: Any
    parser: Any
    conn: Any
    headers: Any
    transport: Any
    loop: asyncio.AbstractEventLoop
    timeout_keep_alive: float
    timeout_keep_alive_task: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = OnePacket(transport)
        self.connection = Connection(self.transport, self.flow.resume_reading)
        self.app = introduced(self.config.loaded_app, self.connection)
        self.mistake: Problem | None = None  # better than "no valid HTTP", where it is known
        if self.counts_bodies:
            self.parser = PlainParser(self.parser, self)
        else:
            self.conn.next_event = self._noting(self.conn.next_event)
        self.head_bytes = 0  # of the request that comes, and of the chunks of the one in hand
        self.body_bytes = 0
        self.ending = False
        self.half_closed = False  # the client sends no more, but may wait for its answer
        self.refused = False  # an error was said; what still comes is thrown away
        self.head_timer: asyncio.TimerHandle | None = None
        self.write_timer: asyncio.TimerHandle | None = None
        self.wait_for_head()
        if descriptor_of(transport) > self.last_file:
            self.losses.note("open_files")
            problem = Problem(503, "too_many_connections", "the server has no room for one more")
            self.say(problem)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_timers()
        super().connection_lost(exc)
        self.connection.cut()

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        cycle, read = self.cycle, self.body_bytes
        if self.counts_bodies or self.between_requests or not cycle.more_body:
            self.head_bytes += len(data)
        super().data_received(data)
        self.head_bytes -= self.body_bytes - read
        if self.transport.is_closing():
            return
        if self.cycle is not cycle:
            self.head_bytes = self.body_bytes = 0
        if self.head_bytes > HEAD_BYTES + CHUNK_HEAD * self.body_bytes:
            self.send_400_response("")
        elif self.between_requests:
            self.wait_for_head()
        else:
            self.stop_head_timer()
            self.cycle.keep_alive &= not self.ending

    def eof_received(self) -> bool:
        """Keep a connection whose client waits for its answer (RFC 9112, 9.6).

        TLS has no such state in asyncio.
        """
        waits = not self.between_requests and not self.cycle.more_body and not self.refused
        if not waits or self.transport.get_extra_info("sslcontext") is not None:
            return False
        self.half_closed = True
        self.loop.call_later(PROBE_SECONDS, self.probe)
        return True

    def probe(self, *, asked: bool = False) -> None:
        """Find out whether a client that sends no more still listens.

        One that has left looks the same, until something is sent to it and its system refuses it.
        An interim answer says nothing, so it may be sent at any time (RFC 9110, 15.2).
        """
        if self.transport.is_closing() or self.between_requests:
            return
        if asked and was_reset(descriptor_of(self.transport)):
            self.transport.abort()
            return
        if not asked and not self.cycle.response_started:
            if self.cycle.scope["http_version"] == "1.0":  # knows no interim answers
                return
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.loop.call_later(PROBE_SECONDS, lambda: self.probe(asked=True))

    def on_response_complete(self) -> None:
        """The last answer ends the connection of a client that sends no more."""
        self._uvicorn.on_response_complete()
        if self.half_closed and self.cycle.response_complete:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Wait for the head that counts (httptools)."""
        if not self.parser.ignores_upgrade:
            self._uvicorn.on_headers_complete()

    def on_message_complete(self) -> None:
        """A head that asks for an upgrade is not a message by itself (httptools)."""
        if not self.parser.ignores_upgrade:
            self._uvicorn.on_message_complete()

    def _noting(self, next_event: Callable[[], Any]) -> Callable[[], Any]:
        """The same, which keeps what h11 says of a transfer coding."""

        def noting() -> Any:
            try:
                return next_event()
            except Exception as error:
                if getattr(error, "error_status_hint", 400) == HTTPStatus.NOT_IMPLEMENTED:
                    self.mistake = unsupported_coding(b"")
                raise

        return noting

    def on_body(self, body: bytes) -> None:
        """Count it (httptools); what else comes with a chunked body is bounded like a head."""
        self.body_bytes += len(body)
        self._uvicorn.on_body(body)

    def shutdown(self) -> None:
        """A connection whose first request is still coming gets a short time for it."""
        if self.cycle is None and not self.ending:
            self.ending = True
            self.loop.call_later(ENDING_SECONDS, self.shutdown)
        else:
            self._uvicorn.shutdown()

    @property
    def between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def wait_for_head(self) -> None:
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(self.limits.read_seconds, self.head_is_late)

    def head_is_late(self) -> None:
        self.head_timer = None
        if not self.between_requests or self.transport.is_closing():
            return
        if self.head_bytes:
            self.say(
                Problem(
                    408,
                    "read_timeout",
                    f"no whole request within {self.limits.read_seconds:g} s (--read-seconds)",
                )
            )
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self.stop_timers()
        if not self.between_requests:
            if self.cycle.response_started:  # nothing can be put into the answer
                self.transport.close()
                return
            self.cycle.disconnected = True  # the handler sees its client leave
            self.cycle.message_event.set()
            self.connection.cut()
        if self.head_bytes > HEAD_BYTES:
            self.say(Problem(431, "head_too_large", f"the head has more than {HEAD_BYTES} bytes"))
        else:
            self.say(self.mistake or self._mistake())

    def _mistake(self) -> Problem:
        """Why the parser refuses what has come."""
        try:
            check_codings(self.headers if self.counts_bodies and self.headers else ())
        except Problem as problem:
            return problem
        return Problem(400, "invalid_http", "this is not a valid HTTP request")

    def say(self, problem: Problem) -> None:
        body = body_of(problem, "openai")
        lines = [
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in headers_of(problem)),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        self.refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)  # else it would be a reset

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.write_timer is None:
            self.wait_for_reader()

    def wait_for_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self.write_timer = self.loop.call_later(
            self.limits.write_seconds, self.reader_is_late, left
        )

    def reader_is_late(self, left: int) -> None:
        """A slow reader of a long answer goes on; one that does not read is dropped."""
        self.write_timer = None
        if left - self.transport.get_write_buffer_size() < LEAST_TAKEN:
            self.losses.note("write_deadline")
            self.transport.abort()
        else:
            self.wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stop_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        if self.write_timer is not None:  # the last answer is still being read
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif self.transport.get_write_buffer_size():
            self.losses.note("write_deadline")
            self.transport.abort()  # the end of the last answer was never read
        else:
            self._uvicorn.timeout_keep_alive_handler()

    def stop_timers(self) -> None:
        self.stop_head_timer()
        self.stop_write_timer()

    def stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def stop_write_timer(self) -> None:
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None

    @property
    def _uvicorn(self) -> Any:
        """The methods behind ours, which are not asyncio's."""
        return super()


def _base(pure_python: bool) -> Any:
    if not pure_python:
        try:
            from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
        except ModuleNotFoundError:
            pass
        else:
            return HttpToolsProtocol
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return H11Protocol

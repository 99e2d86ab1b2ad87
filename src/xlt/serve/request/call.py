"""One request being answered: what handlers read from it, and how they have items computed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

from xlt.core.encode.encoder import Row
from xlt.core.errors import DataError
from xlt.serve.compute.served import Served
from xlt.serve.compute.work import Work
from xlt.serve.errors import Dialect, Problem
from xlt.serve.http.bodies import Connection, Disconnected, Receive, Scope
from xlt.serve.limits import clamp_timeout
from xlt.serve.request.result import Result, gather, refuse_truncated
from xlt.serve.request.state import State

__all__ = ["Call"]

INLINE_BYTES = 16 << 10  # bodies up to this size are prepared on the event loop
INLINE_ROWS = 8  # results of at most so many rows are decoded on the event loop
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Call:
    """A request, what is known of it, and what is noted for log, metrics and headers.

    Attributes:
        route: template of the path, once a route has taken the request.
        dialect: of that route.
        gone: whether the client has left.
        quiet: not logged when it goes well.
    """

    state: State
    scope: Scope
    receive: Receive
    request_id: str
    trace_id: str
    started: float
    headers: dict[bytes, bytes]
    route: str = "unmatched"
    dialect: Dialect | None = None
    model: Served | None = None
    status: int = 0
    n_items: int = 0
    tokens: int = 0
    n_truncated: int = 0
    n_bytes: int = 0
    body_read: bool = False
    received: bytes = b""
    gone: bool = False
    quiet: bool = False
    error: str = ""
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """Of the model that was asked; empty for none."""
        return "" if self.model is None else self.model.name

    def header(self, name: str) -> str | None:
        """A header's value."""
        value = self.headers.get(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    @property
    def declared_bytes(self) -> int:
        """What the client says of its body; 0 where it says nothing."""
        declared = self.headers.get(b"content-length", b"")
        return int(declared) if declared.isdigit() else 0

    def path_value(self, name: str) -> str:
        """A part of the path that the route names."""
        value: str = self.scope["path_params"][name]
        return value

    def query(self, name: str) -> str | None:
        """A query parameter's (last) value."""
        text = self.scope.get("query_string", b"").decode("latin-1")
        values = parse_qs(text, keep_blank_values=True).get(name)
        return values[-1] if values else None

    async def body(self) -> bytes:
        """The whole body, within the limits; it can be asked for again."""
        if self.body_read:
            return self.received
        body = await self.state.reader.read(self.headers, self.receive)
        self.body_read, self.received = True, body
        self.n_bytes = len(body)
        self.stages["read"] = time.monotonic() - self.started
        return body

    async def compute(
        self,
        model: Served,
        items: Sequence[Any],
        *,
        truncate: str | None = None,
        encode: Callable[[], Sequence[Row]] | None = None,
    ) -> Result:
        """Have the items of this request computed, with everybody else's.

        Args:
            model: who computes.
            items: records or texts of the model's kind.
            truncate: "right", "left", "error", or None for the side the model was trained with.
            encode: makes the rows in place of the model's encoder (inputs that are token ids).

        Raises:
            Problem: refused, late, too long where `truncate` is "error", or not valid Unicode.
            Disconnected: the client has gone.
        """
        self.model, self.n_items = model, len(items)
        self.state.check_open()
        deadline = self._deadline()
        work_encode = encode or model.encoder_for(truncate, items)

        def rows() -> Sequence[Row]:
            made = work_encode()
            if truncate == "error":
                refuse_truncated(made, model)
            return made

        scheduler = self.state.scheduler
        ticket = scheduler.admit(self.n_bytes)
        try:
            try:
                work = await self._watched(scheduler.compute(model, rows, ticket, deadline))
            except DataError as error:
                raise Problem(400, "invalid_text", error.message) from None
            if len(work.rows) <= INLINE_ROWS:
                result = gather(model, items, work)
            else:
                result = await scheduler.in_thread(lambda: gather(model, items, work))
        finally:
            scheduler.leave(ticket)
        self._note(work, result)
        return result

    async def in_thread(self, make: Callable[[], T]) -> T:
        """Something that takes a tokeniser's time but no model's; admitted like all else.

        Raises:
            Problem: 429 when the server is full, 503 when it shuts down, 504 past the deadline.
            Disconnected: the client has gone.
        """
        self.state.check_open()
        deadline = self._deadline()
        scheduler = self.state.scheduler
        ticket = scheduler.admit(self.n_bytes)
        try:
            done = scheduler.in_thread(make, deadline=deadline, n_bytes=self.n_bytes)
            result: T = await self._watched(done)
            return result
        finally:
            scheduler.leave(ticket)

    async def prepare(self, make: Callable[[], T]) -> T:
        """Something that takes long for a long body, done before its items are computed."""
        return make() if self.n_bytes <= INLINE_BYTES else await self.in_thread(make)

    async def render(self, make: Callable[[], T], n_items: int) -> T:
        """Build an answer, off the event loop when it is a long one."""
        if n_items <= INLINE_ROWS:
            return make()
        result: T = await self.state.scheduler.in_thread(make)
        return result

    def _deadline(self) -> float:
        """On the clock of `time.monotonic`."""
        given = self.header("x-request-timeout-ms")
        return self.started + clamp_timeout(given, self.state.settings.limits)

    async def _watched(self, work: Awaitable[T]) -> T:
        """Wait for work, unless the client leaves.

        Raises:
            Disconnected: it has.
        """
        task = asyncio.current_task()
        assert task is not None

        def leave() -> None:
            self.gone = True
            task.cancel()

        connection: Connection | None = self.scope.get("xlt.connection")
        try:
            watched = (
                self._watch(leave) if connection is None else connection.watched(leave, listen=True)
            )
            with watched:
                return await work
        except asyncio.CancelledError:
            if self.gone:
                raise Disconnected from None
            raise

    @contextlib.contextmanager
    def _watch(self, leave: Callable[[], None]) -> Iterator[None]:
        """Find out by ASGI alone; the body has been read, so nothing else comes."""

        async def watch() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass
            leave()

        watching = asyncio.ensure_future(watch())
        try:
            yield
        finally:
            watching.cancel()

    def _note(self, work: Work, result: Result) -> None:
        self.tokens, self.n_truncated = result.tokens, result.n_truncated
        for _ in range(result.n_undecoded):
            self.state.metrics.failed_row(result.model, "undecoded")
        self.stages["tokenize"] = work.encoded - work.arrived
        self.stages["queue"] = work.started - work.encoded if work.started else 0.0
        self.stages["infer"] = work.finished - work.started if work.started else 0.0
        self.stages["post"] = time.monotonic() - work.finished

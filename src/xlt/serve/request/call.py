"""One request being answered: what handlers read from it, and how they have items computed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

from xlt.core.encode.encoder import Row
from xlt.core.errors import DataError
from xlt.serve.compute.models import Served
from xlt.serve.compute.scheduler import Work
from xlt.serve.compute.vitals import RowFault
from xlt.serve.errors import Problem, fields_of
from xlt.serve.http.bodies import Disconnected, Line, Receive, Scope
from xlt.serve.limits import clamp_timeout

if TYPE_CHECKING:
    from xlt.serve.app.frame import App
    from xlt.serve.routes.table import Operation

__all__ = ["Call", "Result", "gather"]

INLINE_BYTES = 16 << 10  # bodies up to this size are prepared on the event loop
INLINE_ROWS = 8  # results of at most so many rows are decoded on the event loop
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of a request's items.

    Attributes:
        predictions: one an item: what the engine decoded, or a `RowFault`.
        outputs: one a row: what the engine computed.
        truncated: one an item: whether text was cut.
        tokens: computed for the request, special tokens included.
    """

    model: Served
    predictions: Sequence[Any]
    outputs: Sequence[Any]
    truncated: list[bool]
    tokens: int

    @property
    def usage(self) -> dict[str, int]:
        """OpenAI's `usage`."""
        return {"prompt_tokens": self.tokens, "total_tokens": self.tokens}

    @property
    def n_truncated(self) -> int:
        """Number of inputs that were cut."""
        return sum(self.truncated)

    def whole(self) -> Sequence[Any]:
        """All predictions, for answers that cannot hold an error for one item.

        Raises:
            Problem: 500 when an item has none; it is named by its index.
        """
        for index, prediction in enumerate(self.predictions):
            if isinstance(prediction, RowFault):
                raise Problem(500, prediction.code, f"input {index}: {prediction}")
        return self.predictions


def fault_fields(fault: RowFault) -> dict[str, Any]:
    """The `error` of one item in a list answer."""
    return fields_of(Problem(500, fault.code, str(fault)))


@dataclass(slots=True, kw_only=True)
class Call:
    """A request, what is known of it, and what is noted for log, metrics and headers."""

    app: App
    scope: Scope
    receive: Receive
    request_id: str
    trace_id: str
    started: float
    headers: dict[bytes, bytes]
    operation: Operation | None = None
    model: Served | None = None
    status: int = 0
    n_items: int = 0
    tokens: int = 0
    n_truncated: int = 0
    n_bytes: int = 0
    body_read: bool = False
    gone: bool = False
    error: str = ""
    stages: dict[str, float] = field(default_factory=dict)

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
        """The whole body, within the limits."""
        body = await self.app.reader.read(self.headers, self.receive)
        self.body_read = True
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
        self.app.check_open()
        deadline = self._deadline()
        work_encode = encode or model.encoder_for(truncate, items)

        def rows() -> Sequence[Row]:
            made = work_encode()
            if truncate == "error":
                refuse_truncated(made, model)
            return made

        scheduler = self.app.scheduler
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
        self.app.check_open()
        deadline = self._deadline()
        scheduler = self.app.scheduler
        ticket = scheduler.admit(self.n_bytes)
        try:
            result: T = await self._watched(scheduler.in_thread(make, deadline=deadline))
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
        result: T = await self.app.scheduler.in_thread(make)
        return result

    def _deadline(self) -> float:
        """On the clock of `time.monotonic`."""
        given = self.header("x-request-timeout-ms")
        return self.started + clamp_timeout(given, self.app.settings.limits)

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

        line: Line | None = self.scope.get("xlt.line")
        try:
            with self._watch(leave) if line is None else line.watched(leave, listen=True):
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
        self.stages["tokenize"] = work.encoded - work.arrived
        self.stages["queue"] = work.started - work.encoded if work.started else 0.0
        self.stages["infer"] = work.finished - work.started if work.started else 0.0
        self.stages["post"] = time.monotonic() - work.finished


def gather(model: Served, items: Sequence[Any], work: Work) -> Result:
    """Decode a finished work; items with a failed row get its fault, the others are whole."""
    rows, outputs = work.rows, work.outputs
    truncated = [False] * len(items)
    tokens = 0
    faults: dict[int, RowFault] = {}
    for row, output in zip(rows, outputs, strict=True):
        tokens += row.width if row.lengths is None else int(row.lengths.sum())
        truncated[row.item] |= row.truncated
        if isinstance(output, RowFault):
            faults.setdefault(row.item, output)
    if not faults:
        predictions = model.engine.decode(items, rows, outputs)
    else:
        predictions = _decode_rest(model, items, rows, outputs, faults)
    return Result(
        model=model,
        predictions=predictions,
        outputs=outputs,
        truncated=truncated,
        tokens=tokens,
    )


def _decode_rest(
    model: Served,
    items: Sequence[Any],
    rows: Sequence[Row],
    outputs: Sequence[Any],
    faults: dict[int, RowFault],
) -> list[Any]:
    place = {item: new for new, item in enumerate(i for i in range(len(items)) if i not in faults)}
    kept = [
        (replace(row, item=place[row.item]), output)
        for row, output in zip(rows, outputs, strict=True)
        if row.item in place
    ]
    good = [items[item] for item in place]
    decoded = model.engine.decode(good, [row for row, _ in kept], [out for _, out in kept])
    return [faults[i] if i in faults else decoded[place[i]] for i in range(len(items))]


def refuse_truncated(rows: Sequence[Row], model: Served) -> None:
    """Refuse a request whose texts do not fit, for `truncate: "error"`.

    Raises:
        Problem: 400, naming the first input and the limit.
    """
    for row in rows:
        if row.truncated:
            raise Problem(
                400,
                "context_length_exceeded",
                f"input {row.item} has more than the {model.engine.encoder.max_length} tokens "
                "that the model reads; shorten it, or send truncate right or left",
                "truncate",
            )

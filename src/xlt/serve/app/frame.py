"""The ASGI application: one frame around every request (ids, keys, errors, log, metrics).

Handlers know none of that; they take a `Call` and give a `Reply`, or raise a `Problem`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from xlt.core.errors import XltError
from xlt.serve.app.endpoint import Catch, Endpoint, http_problem
from xlt.serve.app.tracing import NoSpans, Spans
from xlt.serve.compute.metrics import REFUSALS, Metrics
from xlt.serve.compute.models import Models, Served, Source
from xlt.serve.compute.scheduler import Scheduler
from xlt.serve.compute.vitals import CHECK_SECONDS
from xlt.serve.errors import Problem, body_of, headers_of, status_of
from xlt.serve.http.bodies import (
    Message,
    Reader,
    Receive,
    Reply,
    Scope,
    Send,
    send_and_linger,
    send_reply,
)
from xlt.serve.request.call import Call
from xlt.serve.routes.table import Operation, operations
from xlt.serve.settings import Settings

__all__ = ["App"]

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
log = logging.getLogger("xlt.serve")


class App:
    """Everything a running server holds."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        metrics: Metrics,
        *,
        spans: Spans | None = None,
        on_fatal: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings, self.models, self.metrics = settings, models, metrics
        self.spans: Spans = spans or NoSpans()
        self.on_fatal = on_fatal
        self.ids = random.Random()  # seeded by the system; ids are no secrets
        self.reader = Reader(settings.limits)
        self.scheduler = Scheduler(
            settings.limits,
            metrics,
            tokenizer_threads=settings.tokenizer_threads,
            on_fatal=self._die,
        )
        self.draining = False  # readiness says no
        self.refusing = False  # and new work is refused
        self.dropped = 0  # requests that the end of draining cut off
        self.fatal: XltError | None = None
        self.check_seconds = CHECK_SECONDS
        self.loader = ThreadPoolExecutor(1, thread_name_prefix="xlt-load")
        self.loading: asyncio.Task[None] | None = None
        self.asking: asyncio.Task[None] | None = None
        self.operations = operations(settings)
        self.dialects = {operation.path: operation.dialect for operation in self.operations}
        endpoints = [(Endpoint(self, operation), operation) for operation in self.operations]
        self.inner = self._stack(endpoints)
        self.direct = {  # most requests need no search through all routes
            (operation.method, operation.path): endpoint
            for endpoint, operation in endpoints
            if "{" not in operation.path and not settings.cors
        }

    def _stack(self, endpoints: list[tuple[Endpoint, Operation]]) -> ASGIApp:
        routes = [
            Route(operation.path, endpoint=endpoint, methods=[operation.method])
            for endpoint, operation in endpoints
        ]
        router: ASGIApp = Router(routes, redirect_slashes=False)
        if not self.settings.cors:
            return router
        return CORSMiddleware(
            Catch(router),
            allow_origins=self.settings.cors,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id",
                           "x-request-timeout-ms", "traceparent"],
            expose_headers=["x-request-id", "x-xlt-truncated", "retry-after", "server-timing"],
        )  # fmt: skip

    async def start(self, sources: list[Source]) -> None:
        """Start the worker and begin to load the models; the server answers meanwhile."""
        self.scheduler.start()
        self.metrics.worker_alive.set_function(lambda: float(self.scheduler.worker.alive))
        self.models.awaited = {source.name: source for source in sources}
        self.loading = asyncio.create_task(self._load(sources))
        self.asking = asyncio.create_task(self._ask_failing())

    async def stop(self) -> None:
        """Stop the threads; what is in flight has been answered or its time is over."""
        for task in (self.loading, self.asking):
            if task is not None:
                task.cancel()
        self.loader.shutdown(wait=False, cancel_futures=True)
        self.scheduler.close()
        self.spans.close()

    async def _load(self, sources: list[Source]) -> None:
        try:
            for source in sources:
                await self.load(source)
        except Exception as error:
            bug = XltError(f"loading failed: {type(error).__name__}: {error}", "see the log")
            self.fatal = error if isinstance(error, XltError) else bug
            if self.fatal is bug:
                log.error("loading failed", exc_info=error)
            self.on_fatal()

    async def _ask_failing(self) -> None:
        """Find out when failing models answer again: no requests come to one that is not ready."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.check_seconds)
            for served in self.models.failing:
                await loop.run_in_executor(self.loader, served.check)

    async def load(self, source: Source) -> Served:
        """Load a model and let it answer under its name; a model it replaces serves until then.

        Raises:
            ModelError: it cannot be opened; nothing has changed then.
        """
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        served = await loop.run_in_executor(self.loader, self.models.load, source)
        self.models.put(served)
        fields = {
            "model": served.name, "task": served.task, "precision": source.precision,
            "device": served.engine.session.device, "batch_tokens": served.pace.budget,
            "seconds": round(time.monotonic() - started, 3),
        }  # fmt: skip
        log.info("model loaded", extra={"fields": fields})
        return served

    @property
    def ready(self) -> str | None:
        """Why the server is not ready; None when it is."""
        if self.draining:
            return "the server is shutting down"
        if not self.models.ready:
            return "models are loading: " + ", ".join(self.models.awaited)
        if not self.scheduler.worker.alive:
            return "the worker is down or stuck"
        return "; ".join(str(served.vitals.reason) for served in self.models.failing) or None

    @staticmethod
    def busy(seconds: float) -> bool:
        """Whether a thread of ours is still at work some time after `stop`: it is stuck."""
        deadline = time.monotonic() + seconds
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("xlt-")]
        for thread in ours:
            thread.join(max(0.0, deadline - time.monotonic()))
        return any(thread.is_alive() for thread in ours)

    def check_open(self) -> None:
        """Refuse work while the server shuts down.

        Raises:
            Problem: 503.
        """
        if self.refusing:
            raise Problem(
                503, "draining", "the server is shutting down", retry_after=1.0, close=True
            )

    def _die(self) -> None:
        self.fatal = XltError("the worker keeps dying", "see the log above")
        self.on_fatal()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        call = self._open(scope, receive)
        scope["app"] = self  # makes Starlette's routes raise for a wrong method
        scope["xlt.call"] = call
        if self.settings.cors:
            send = _noting(call, send)
        try:
            with self.spans.request(call):
                try:
                    endpoint = self.direct.get((scope["method"], get_route_path(scope)))
                    await (endpoint or self.inner)(scope, receive, send)
                except HTTPException as error:
                    await self.refuse(call, send, http_problem(error))
        finally:
            self._close(call)

    def _open(self, scope: Scope, receive: Receive) -> Call:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        parent = TRACEPARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
        return Call(
            app=self,
            scope=scope,
            receive=receive,
            request_id=given if REQUEST_ID.fullmatch(given) else f"{self.ids.getrandbits(96):024x}",
            trace_id=parent.group(1) if parent else f"{self.ids.getrandbits(128):032x}",
            started=time.monotonic(),
            headers=headers,
        )

    async def refuse(self, call: Call, send: Send, problem: Problem) -> None:
        """Answer with an error, in the dialect of the route."""
        dialect = call.operation.dialect if call.operation else self._dialect(call.scope)
        call.error = problem.code
        if problem.code in REFUSALS and call.operation is not None and call.operation.kinds:
            self.metrics.rejected(problem.code)
        reply = Reply(
            body=body_of(problem, dialect),
            status=status_of(problem, dialect),
            headers=tuple(headers_of(problem)),
        )
        await self.reply(call, send, reply, linger=problem.close and not call.body_read)

    def _dialect(self, scope: Scope) -> str:
        """The dialect of a path that has no operation for the method, or none at all."""
        path = get_route_path(scope)
        return self.dialects.get(path, "kserve" if path.startswith("/v2/") else "openai")

    async def reply(self, call: Call, send: Send, reply: Reply, *, linger: bool = False) -> None:
        """Answer, with the headers that every answer has."""
        call.status = reply.status
        extra = [(b"x-request-id", call.request_id.encode("ascii"))]
        if call.stages:
            extra.append((b"server-timing", _server_timing(call.stages)))
        if call.model is not None:
            extra.append((b"x-xlt-truncated", str(call.n_truncated).encode("ascii")))
        if b"traceparent" in call.headers:
            span = f"{self.ids.getrandbits(64):016x}"
            extra.append((b"traceparent", f"00-{call.trace_id}-{span}-01".encode("ascii")))
        if linger:
            await send_and_linger(send, call.receive, reply, extra)
        else:
            await send_reply(send, reply, extra, call.scope.get("xlt.line"))

    def _close(self, call: Call) -> None:
        seconds = time.monotonic() - call.started
        route = call.operation.path if call.operation else "unmatched"
        name, task = (call.model.name, call.model.task) if call.model else ("", "")
        status = call.status or 499
        self.metrics.requests.labels(name, task, route, str(status)).inc()
        if call.model is not None:
            series = self.metrics.of(call.model)
            series.request_seconds.observe(seconds)
            series.counts.request(status, seconds)
            for stage, took in call.stages.items():
                series.stages[stage].observe(took)
            if call.tokens:
                series.input_tokens.observe(call.tokens)
            if call.n_truncated:
                series.truncated.inc(call.n_truncated)
        if call.operation is not None and call.operation.quiet and status < 400:
            return
        if not log.isEnabledFor(logging.INFO):
            return
        fields = {
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "method": call.scope["method"],
            "route": route,
            "status": status,
            "model": name,
            "items": call.n_items,
            "tokens": call.tokens,
            "truncated": call.n_truncated,
            "bytes": call.n_bytes,
            "ms": round(seconds * 1000, 2),
            **{f"{stage}_ms": round(took * 1000, 2) for stage, took in call.stages.items()},
        }
        if call.error:
            fields["error"] = call.error
        log.info("request", extra={"fields": fields})


def _noting(call: Call, send: Send) -> Send:
    """Note the status of an answer that is not ours: CORS answers preflights by itself."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
        await send(message)

    return noting


def _server_timing(stages: dict[str, float]) -> bytes:
    entries = [f"{name};dur={1000 * took:.2f}" for name, took in stages.items()]
    return ", ".join(entries).encode("ascii")

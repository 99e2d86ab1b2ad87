"""The ASGI application: one frame around every request (ids, keys, errors, log, metrics).

Handlers know none of that; they take a `Call` and give a `Reply`, or raise a `Problem`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from xlt.core.errors import XltError
from xlt.serve.app.answers import Answers, Catch, http_problem, path_in
from xlt.serve.app.endpoint import Endpoint
from xlt.serve.app.tracing import NoSpans, Spans
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.scheduler import Scheduler
from xlt.serve.compute.sources import Source
from xlt.serve.compute.vitals import CHECK_SECONDS
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Message, Receive, Scope, Send
from xlt.serve.http.heads import check_head
from xlt.serve.request.call import Call
from xlt.serve.request.state import State
from xlt.serve.routes.table import operations
from xlt.serve.settings import Settings

__all__ = ["App"]

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
TIDY_SECONDS = 1.0
log = logging.getLogger("xlt.serve")


class App:
    """The server as an ASGI application."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        metrics: Metrics,
        *,
        spans: Spans | None = None,
        on_fatal: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_fatal = on_fatal
        self.operations = operations(settings)
        scheduler = Scheduler(
            settings.limits,
            metrics,
            tokenizer_threads=settings.tokenizer_threads,
            freed=models.freed,
            on_fatal=self._die,
        )
        self.state = State(settings, models, metrics, scheduler, self.operations)
        self.answers = Answers(self.operations)
        self.spans: Spans = spans or NoSpans()
        self.ids = self.answers.ids
        self.fatal: XltError | None = None
        self.check_seconds = CHECK_SECONDS
        self.loading: asyncio.Task[None] | None = None
        self.checking: asyncio.Task[None] | None = None
        self.tidying: asyncio.Task[None] | None = None
        endpoints = [Endpoint(self.state, self.answers, op) for op in self.operations]
        self.inner = self._stack(endpoints)
        self.direct = {  # most requests need no search through all routes
            (endpoint.operation.method, endpoint.operation.path): endpoint
            for endpoint in endpoints
            if "{" not in endpoint.operation.path and not settings.cors
        }

    def _stack(self, endpoints: list[Endpoint]) -> ASGIApp:
        routes = [
            Route(endpoint.operation.path, endpoint=endpoint, methods=[endpoint.operation.method])
            for endpoint in endpoints
        ]
        router: ASGIApp = Router(routes, redirect_slashes=False)
        if not self.state.settings.cors:
            return router
        return CORSMiddleware(
            Catch(router, self.answers),
            allow_origins=self.state.settings.cors,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id",
                           "x-request-timeout-ms", "traceparent"],
            expose_headers=["x-request-id", "x-xlt-truncated", "retry-after", "server-timing"],
        )  # fmt: skip

    async def start(self, sources: list[Source]) -> None:
        """Start the worker and begin to load the models; the server answers meanwhile."""
        state = self.state
        state.scheduler.start()
        state.metrics.worker_alive.set_function(lambda: float(state.scheduler.worker.alive))
        state.models.awaited = {source.name: source for source in sources}
        self.loading = asyncio.create_task(self._load(sources))
        self.checking = asyncio.create_task(self._check_failing())
        self.tidying = asyncio.create_task(self._give_memory_back())

    async def stop(self) -> None:
        """Stop the threads; what is in flight has been answered or its time is over."""
        for task in (self.loading, self.checking, self.tidying):
            if task is not None:
                task.cancel()
        self.state.vetting.stop()
        self.state.loader.shutdown(wait=False, cancel_futures=True)
        self.state.scheduler.close()
        self.spans.close()

    async def _load(self, sources: list[Source]) -> None:
        try:
            for source in sources:
                await self.state.load(source)
        except Exception as error:
            bug = XltError(f"loading failed: {type(error).__name__}: {error}", "see the log")
            self.fatal = error if isinstance(error, XltError) else bug
            if self.fatal is bug:
                log.error("loading failed", exc_info=error)
            self.on_fatal()

    async def _check_failing(self) -> None:
        """Check failing models at intervals: a server that is not ready gets no requests."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.check_seconds)
            for served in self.state.models.failing:
                await loop.run_in_executor(self.state.loader, served.check)

    async def _give_memory_back(self) -> None:
        """Give back what unloaded models and long bodies held, at most once a second."""
        loop, freed = asyncio.get_running_loop(), self.state.models.freed
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            if freed.due:
                await loop.run_in_executor(None, freed.give_back)

    @staticmethod
    def busy(seconds: float) -> bool:
        """Whether a thread of ours is still at work some time after `stop`: it is stuck."""
        deadline = time.monotonic() + seconds
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("xlt-")]
        for thread in ours:
            thread.join(max(0.0, deadline - time.monotonic()))
        return any(thread.is_alive() for thread in ours)

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
        if self.state.settings.cors:
            send = _noting(call, send)
        try:
            with self.spans.request(call):
                try:
                    check_head(scope)
                    endpoint = self.direct.get((scope["method"], path_in(scope)))
                    await (endpoint or self.inner)(scope, receive, send)
                except HTTPException as error:
                    await self.answers.refuse(call, send, http_problem(error))
                except Problem as problem:
                    await self.answers.refuse(call, send, problem)
        finally:
            self._close(call)
            # The call and its scope name each other; the collector comes rarely (`memory`), and
            # the model that answered would stay until then.
            del scope["xlt.call"]
            call.model = None

    def _open(self, scope: Scope, receive: Receive) -> Call:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        parent = TRACEPARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
        return Call(
            state=self.state,
            scope=scope,
            receive=receive,
            request_id=given if REQUEST_ID.fullmatch(given) else f"{self.ids.getrandbits(96):024x}",
            trace_id=parent.group(1) if parent else f"{self.ids.getrandbits(128):032x}",
            started=time.monotonic(),
            headers=headers,
        )

    def _close(self, call: Call) -> None:
        seconds = time.monotonic() - call.started
        status = call.status or 499
        self.state.metrics.answered(call.model, call.route, status)
        if call.model is not None:
            series = self.state.metrics.of(call.model)
            series.request_seconds.observe(seconds)
            series.counts.request(status, seconds)
            for stage, took in call.stages.items():
                series.stages[stage].observe(took)
            if call.tokens:
                series.input_tokens.observe(call.tokens)
            if call.n_truncated:
                series.truncated.inc(call.n_truncated)
        if call.quiet and status < 400:
            return
        if not log.isEnabledFor(logging.INFO):
            return
        fields = {
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "method": call.scope["method"],
            "route": call.route,
            "status": status,
            "model": call.model_name,
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

"""One route as an ASGI application: key, handler, answer; and answers for what no route takes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Disconnected, Receive, Scope, Send
from xlt.serve.request.call import Call
from xlt.serve.routes.table import Operation

if TYPE_CHECKING:
    from xlt.serve.app.frame import App

__all__ = ["Catch", "Endpoint", "http_problem"]

log = logging.getLogger("xlt.serve")


class Endpoint:
    """One route as an ASGI application."""

    def __init__(self, app: App, operation: Operation) -> None:
        self.app, self.operation = app, operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, run the handler, answer."""
        call: Call = scope["xlt.call"]
        call.operation = self.operation
        app = self.app
        try:
            if self.operation.access == "key" and app.settings.keys:
                app.settings.keys.check(call.headers)
            elif self.operation.access == "admin":
                app.settings.admin_keys.check(call.headers)
            if self.operation.kinds:
                app.scheduler.check(call.declared_bytes)
            reply = await self.operation.handler(call)
        except Problem as problem:
            await app.refuse(call, send, problem)
        except Disconnected:
            call.gone = True
        except asyncio.CancelledError:  # the time for draining is over
            if call.gone:
                return
            app.dropped += 1
            late = Problem(503, "draining", "the server has shut down", retry_after=1.0)
            await app.refuse(call, send, late)
        except Exception as error:
            log.error("a handler failed: %s", type(error).__name__, exc_info=error)
            text = f"an error of the server; its log has it under request {call.request_id}"
            await app.refuse(call, send, Problem(500, "internal_error", text))
        else:
            await app.reply(call, send, reply)


class Catch:
    """Answers unknown paths and methods inside the CORS layer, so that pages can read why."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer what the router raises."""
        try:
            await self.inner(scope, receive, send)
        except HTTPException as error:
            call: Call = scope["xlt.call"]
            await call.app.refuse(call, send, http_problem(error))


def http_problem(error: HTTPException) -> Problem:
    """What the router raised, as an answer."""
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return Problem(
            405,
            "method_not_allowed",
            f"this path takes {allowed}",
            headers=(("allow", allowed),),
        )
    return Problem(error.status_code, "not_found", "no such path; GET /openapi.json lists them")

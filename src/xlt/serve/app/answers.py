"""Answers: a handler's reply or a problem, with the headers that every answer has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from xlt.serve.errors import Dialect, Problem, body_of, headers_of, status_of
from xlt.serve.http.bodies import Receive, Reply, Scope, Send, send_and_linger, send_reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation

__all__ = ["Answers", "Catch", "http_problem", "path_in"]


class Answers:
    """Gives answers, in the dialect of the route or of the path that no route takes.

    Args:
        operations: of the server.
    """

    def __init__(self, operations: Sequence[Operation[Any]]) -> None:
        self.dialects = {operation.path: operation.dialect for operation in operations}
        self.ids = random.Random()  # seeded by the system; ids are no secrets

    async def refuse(self, call: Call, send: Send, problem: Problem) -> None:
        """Answer with an error."""
        dialect = call.dialect or self._dialect(call.scope)
        call.error = problem.code
        reply = Reply(
            body=body_of(problem, dialect),
            status=status_of(problem, dialect),
            headers=tuple(headers_of(problem)),
        )
        await self.reply(call, send, reply, linger=problem.close and not call.body_read)

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
            await send_reply(send, reply, extra, call.scope.get("xlt.connection"))

    def _dialect(self, scope: Scope) -> Dialect:
        """The dialect of a path that has no operation for the method, or none at all."""
        path = path_in(scope)
        return self.dialects.get(path, "kserve" if path.startswith("/v2/") else "openai")


class Catch:
    """Answers unknown paths and methods inside the CORS layer, so that pages can read why."""

    def __init__(self, inner: ASGIApp, answers: Answers) -> None:
        self.inner, self.answers = inner, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer what the router raises."""
        try:
            await self.inner(scope, receive, send)
        except HTTPException as error:
            await self.answers.refuse(scope["xlt.call"], send, http_problem(error))


def path_in(scope: Scope) -> str:
    """The path below the server's prefix (ASGI's `root_path`), as Starlette's routes see it."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    rest = path[len(prefix) :]
    return rest if prefix and path.startswith(prefix) and rest[:1] in ("", "/") else path


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


def _server_timing(stages: dict[str, float]) -> bytes:
    entries = [f"{name};dur={1000 * took:.2f}" for name, took in stages.items()]
    return ", ".join(entries).encode("ascii")

"""One route as an ASGI application: key, handler, answer."""

from __future__ import annotations

import asyncio
import logging
import traceback

from xlt.serve.app.answers import Answers
from xlt.serve.compute.metrics import REFUSALS
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Disconnected, Receive, Scope, Send
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.state import State

__all__ = ["Endpoint"]

log = logging.getLogger("xlt.serve")


def _clear_frames(error: BaseException) -> None:
    """Let go of what the frames of an error hold.

    An error sits in the future of its work, which its frames hold: a cycle around the model.
    """
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__


class Endpoint:
    """One route as an ASGI application."""

    def __init__(self, state: State, answers: Answers, operation: Operation[Call]) -> None:
        self.state, self.answers, self.operation = state, answers, operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, run the handler, answer."""
        call: Call = scope["xlt.call"]
        operation, state = self.operation, self.state
        call.route, call.dialect, call.quiet = operation.path, operation.dialect, operation.quiet
        try:
            if operation.access == "key" and state.settings.keys:
                state.settings.keys.check(call.headers)
            elif operation.access == "admin":
                state.settings.admin_keys.check(call.headers)
            if operation.kinds:
                state.scheduler.check(call.declared_bytes)
            reply = await operation.handler(call)
        except Problem as problem:
            await self._refuse(call, send, problem)
            _clear_frames(problem)
        except Disconnected as left:
            call.gone = True
            _clear_frames(left)
        except asyncio.CancelledError:  # the time for draining is over
            if call.gone:
                return
            state.dropped += 1
            late = Problem(503, "draining", "the server has shut down", retry_after=1.0)
            await self._refuse(call, send, late)
        except Exception as error:
            log.error("a handler failed: %s", type(error).__name__, exc_info=error)
            text = f"an error of the server; its log has it under request {call.request_id}"
            await self._refuse(call, send, Problem(500, "internal_error", text))
            _clear_frames(error)
        else:
            await self.answers.reply(call, send, reply)

    async def _refuse(self, call: Call, send: Send, problem: Problem) -> None:
        if problem.code in REFUSALS and self.operation.kinds:
            self.state.metrics.rejected(problem.code)
        await self.answers.refuse(call, send, problem)

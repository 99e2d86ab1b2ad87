"""Probes and metrics."""

from __future__ import annotations

import orjson

from xlt.serve.compute.metrics import CONTENT_TYPE
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.routes.openai import types as schemas

__all__ = ["METRICS", "OPERATIONS"]


async def live(call: Call) -> Reply:
    """The event loop turns."""
    return Reply(body=b'{"live":true}')


async def ready(call: Call) -> Reply:
    """All models are loaded and answer, the worker computes, and no shutdown has begun.

    Raises:
        Problem: 503 with the reason.
    """
    reason = call.state.ready
    if reason is not None:
        raise Problem(503, "not_ready", reason, retry_after=1.0, close=call.state.draining)
    return Reply(body=orjson.dumps({"ready": True, "models": list(call.state.models.table)}))


async def metrics(call: Call) -> Reply:
    """Prometheus text."""
    return Reply(body=call.state.metrics.text(), content_type=CONTENT_TYPE)


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="GET", path="/health/live", handler=live, name="live", group="health",
        summary="Whether the process answers.", access="open", quiet=True, response=schemas.Live,
    ),
    Operation(
        method="GET", path="/health/ready", handler=ready, name="ready", group="health",
        summary="Whether requests are answered now.", access="open", quiet=True,
        response=schemas.Ready,
    ),
    Operation(
        method="GET", path="/health", handler=ready, name="health", group="health",
        summary="The same as /health/ready (TEI).", access="open", quiet=True,
        response=schemas.Ready,
    ),
]  # fmt: skip
METRICS: list[Operation[Call]] = [
    Operation(
        method="GET", path="/metrics", handler=metrics, name="metrics", group="health",
        summary="Prometheus metrics.", access="open", quiet=True, media="text/plain",
    ),
]  # fmt: skip

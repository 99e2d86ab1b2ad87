"""Errors that clients see, and the form each protocol gives them.

A handler raises `Problem`; the dialect of the route (OpenAI, TEI, Cohere, KServe) shapes the JSON
body and the status. Our own routes speak OpenAI's dialect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Dialect", "Problem", "body_of", "headers_of", "status_of"]

Dialect = str  # "openai", "tei", "cohere" or "kserve"

OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
TEI_TYPES = {
    400: "Empty",
    401: "Unauthorized",
    422: "Validation",
    424: "Backend",
    429: "Overloaded",
    503: "Unhealthy",
}


@dataclass(eq=False)
class Problem(Exception):
    """An error that is an answer to a client.

    Attributes:
        status: HTTP status (of the OpenAI dialect; `status_of` maps it for the others).
        code: a short stable word for programs, e.g. "model_not_found".
        message: names the value, the limit and the flag or field that changes it.
        param: the field of the request that is at fault.
        retry_after: seconds after which another try makes sense; None when it makes none.
        headers: more response headers.
        close: whether the connection is to be closed after the answer.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


def status_of(problem: Problem, dialect: Dialect) -> int:
    """The HTTP status in a dialect: TEI says 422 for a bad field and 424 for a failed model."""
    if dialect == "tei":
        if problem.code in ("empty_input", "model_required"):
            return 400
        if problem.code == "model_error":
            return 424
        return 422 if problem.status == 400 else problem.status
    return problem.status


def body_of(problem: Problem, dialect: Dialect) -> bytes:
    """The JSON body in a dialect."""
    if dialect == "kserve":
        return orjson.dumps({"error": problem.message})
    if dialect == "cohere":
        return orjson.dumps({"message": problem.message})
    if dialect == "tei":
        status = status_of(problem, dialect)
        kind = TEI_TYPES.get(status, "Backend" if status >= 500 else "Validation")
        if problem.code == "model_required":
            kind = "Validation"
        return orjson.dumps({"error": problem.message, "error_type": kind})
    return orjson.dumps({"error": fields_of(problem)})


def fields_of(problem: Problem) -> dict[str, Any]:
    """OpenAI's error object; also the `error` of one item in our own list answers."""
    default = "server_error" if problem.status >= 500 else "invalid_request_error"
    return {
        "message": problem.message,
        "type": OPENAI_TYPES.get(problem.status, default),
        "param": problem.param,
        "code": problem.code,
    }


def headers_of(problem: Problem) -> list[tuple[str, str]]:
    """Headers that tell a client when to come back, or not to."""
    headers = list(problem.headers)
    if problem.retry_after is not None:
        seconds = max(0.001, problem.retry_after)
        headers.append(("retry-after", str(max(1, math.ceil(seconds)))))
        headers.append(("retry-after-ms", str(math.ceil(seconds * 1000))))
    elif problem.status >= 500:
        headers.append(("x-should-retry", "false"))
    if problem.status == 401:
        headers.append(("www-authenticate", 'Bearer realm="xlt"'))
    if problem.close or problem.status == 503:  # a balancer should go elsewhere
        headers.append(("connection", "close"))
    return headers

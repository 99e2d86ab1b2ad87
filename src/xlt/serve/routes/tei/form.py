"""What the routes of text-embeddings-inference have in common."""

from __future__ import annotations

from typing import Any

from xlt.serve.errors import Problem
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation

__all__ = ["invalid", "named", "operation", "side"]


def named(call: Call, model: str | None) -> str | None:
    """The model of the body; else of the address, for clients that take nothing but an address."""
    return call.query("model") if model is None else model


def side(truncate: bool | None, direction: str) -> str | None:
    """TEI's two fields as our one: cut by default, at the right."""
    if truncate is False:
        return "error"
    return "left" if direction.lower() == "left" else None


def invalid(message: str, param: str) -> Problem:
    """A field that breaks a rule."""
    return Problem(400, "invalid_field", message, param)


def operation(path: str, handler: Any, name: str, summary: str, **more: Any) -> Operation[Call]:
    """An operation in TEI's dialect; all but `/info` are POSTs."""
    method = "GET" if path == "/info" else "POST"
    return Operation(
        method=method, path=path, handler=handler, name=name, summary=summary, group="TEI",
        dialect="tei", **more,
    )  # fmt: skip

"""The OpenAPI 3.1 document, made of the table of routes and the types that decode requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from xlt._version import __version__
from xlt.serve.request import schemas
from xlt.serve.request.operation import Operation

__all__ = ["document"]

REF = "#/components/schemas/{name}"
ERRORS = {"openai": schemas.ErrorBody, "tei": schemas.TeiError, "kserve": schemas.PlainError}
MEANINGS = {
    "400": "The request breaks a rule; the message names it.",
    "401": "A key is needed, or is not known.",
    "404": "No such model or path.",
    "405": "The path takes another method.",
    "408": "The body did not arrive in time.",
    "413": "The body, or the number of tokens, is over a limit.",
    "415": "The content encoding is not known.",
    "422": "The request breaks a rule; the message names it.",
    "424": "The model failed on an input.",
    "429": "The server is full; come back after `retry-after`.",
    "500": "The model failed on an input, or the server has a fault.",
    "503": "Loading, failing or shutting down; come back after `retry-after`.",
    "504": "Not computed before the deadline.",
}
READING = ("400", "408", "413", "415")
COMPUTING = ("404", "429", "500", "503", "504")


def document(
    operations: Sequence[Operation[Any]],
    *,
    models: Sequence[str],
    keys: bool,
    server: str = "/",
) -> dict[str, Any]:
    """The whole document.

    Args:
        operations: that the server has.
        models: names of the loaded models.
        keys: whether clients need a key.
        server: path prefix of all routes.
    """
    types = [t for op in operations for t in (op.request, op.response) if t is not None]
    types += ERRORS.values()
    found, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = {repr(kind): schema for kind, schema in zip(types, found, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        entry = _entry(operation, schema_of, models, keys=keys)
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    security = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "xlt",
            "version": __version__,
            "description": "Cross-lingual models: classification, multiple choice, tagging, "
            "question answering, embeddings and bitext.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _entry(
    operation: Operation[Any], schema_of: dict[str, Any], models: Sequence[str], *, keys: bool
) -> dict[str, Any]:
    """One operation."""
    answer: dict[str, Any] = {"description": "Done."}
    if operation.response is not None:
        content = {operation.media: {"schema": schema_of[repr(operation.response)]}}
    else:
        content = {operation.media: {}}
    if operation.name.startswith("infer"):
        content["application/octet-stream"] = {}
    answer["content"] = content
    locked = operation.access == "admin" or (operation.access == "key" and keys)
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.group],
        "responses": {"200": answer, **_errors(operation, schema_of, locked=locked)},
    }
    names = re.findall(r"{(\w+)}", operation.path)
    if names:
        values = {"model": list(models), "version": ["1"]}
        entry["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": values[name]},
            }
            for name in names
        ]
    if operation.request is not None:
        body: dict[str, Any] = {"schema": schema_of[repr(operation.request)]}
        if operation.example is not None:
            body["example"] = operation.example
        entry["requestBody"] = {"required": True, "content": {"application/json": body}}
    if locked:
        entry["security"] = [{"bearer": []}]
    return entry


def _errors(
    operation: Operation[Any], schema_of: dict[str, Any], *, locked: bool
) -> dict[str, dict[str, Any]]:
    """The error answers an operation can give, in its dialect."""
    schema = schema_of[repr(ERRORS[operation.dialect])]
    codes: set[str] = set()
    if locked:
        codes.add("401")
    if "{" in operation.path:
        codes |= {"400", "404", "503"}
    if operation.name in ("ready", "health", "v2_ready"):
        codes.add("503")
    if operation.name == "tei_info":
        codes |= {"404", "422", "503"}
    if operation.request is not None:
        codes |= (
            {*READING, *COMPUTING, "422"}
            if operation.access == "admin"
            else {
                *READING,
                *COMPUTING,
            }
        )
        if operation.dialect == "tei":
            codes |= {"422", "424"}
    return {
        code: {
            "description": MEANINGS[code],
            "content": {"application/json": {"schema": schema}},
        }
        for code in sorted(codes)
    }

"""The OpenAPI 3.1 document, made of the table of routes and the types that decode requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from xlt._version import __version__
from xlt.serve.request import schemas
from xlt.serve.request.operation import Operation

__all__ = ["document"]

REF = "#/components/schemas/{name}"
ERRORS = {
    "openai": schemas.ErrorBody,
    "tei": schemas.TeiError,
    "cohere": schemas.MessageError,
    "kserve": schemas.PlainError,
}
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
ANYTHING = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "null")]}
READING = ("400", "408", "413", "415")
COMPUTING = ("404", "429", "500", "503", "504")


def document(
    operations: Sequence[Operation[Any]],
    *,
    models: Mapping[str, str],
    keys: bool,
    server: str = "/",
) -> dict[str, Any]:
    """The whole document.

    Args:
        operations: that the server has.
        models: name -> kind of the loaded models.
        keys: whether clients need a key.
        server: path prefix of all routes.
    """
    forms = [form for op in operations for form in op.forms or (op,)]
    types = [t for op in forms for side in (op.request, op.response) for t in _types(side)]
    types += ERRORS.values()
    found, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = {repr(kind): plain(schema) for kind, schema in zip(types, found, strict=True)}
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
        "components": {"schemas": plain(components), "securitySchemes": security},
    }


def plain(schema: Any) -> Any:
    """A schema in the words that generators of clients read.

    A field that may be left out has no `default`, which generators take for a promise that it is
    there; its description says it. A list of anything says so.
    """
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: plain(value) for key, value in schema.items() if key != "default"}
    if schema.get("default") not in (None, {}, []):
        told = f"Default: {json.dumps(schema['default'])}."
        kept["description"] = f"{schema['description']} {told}" if "description" in schema else told
    if kept.get("type") == "array" and not {"items", "prefixItems"} & kept.keys():
        kept["items"] = ANYTHING
    if kept.get("type") == "object" and not {"properties", "additionalProperties"} & kept.keys():
        kept["additionalProperties"] = True
    return kept


def _types(side: Any) -> tuple[Any, ...]:
    """The types of a request or an answer: none, one or several."""
    if side is None:
        return ()
    return side if isinstance(side, tuple) else (side,)


def _schema(
    operation: Operation[Any], side: str, schema_of: dict[str, Any]
) -> dict[str, Any] | None:
    """The schema of all forms of a request or an answer."""
    found: list[dict[str, Any]] = []
    for form in operation.forms or (operation,):
        for kind in _types(getattr(form, side)):
            if schema_of[repr(kind)] not in found:
                found.append(schema_of[repr(kind)])
    if not found:
        return None
    return found[0] if len(found) == 1 else {"anyOf": found}


def _entry(
    operation: Operation[Any], schema_of: dict[str, Any], models: Mapping[str, str], *, keys: bool
) -> dict[str, Any]:
    """One operation."""
    fitting = [name for name, kind in models.items() if kind in operation.kinds] or list(models)
    answer: dict[str, Any] = {"description": "Done."}
    response = _schema(operation, "response", schema_of)
    content: dict[str, Any] = {operation.media: {} if response is None else {"schema": response}}
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
                **(
                    {"example": (fitting if name == "model" else values[name])[0]} if models else {}
                ),
            }
            for name in names
        ]
    request = _schema(operation, "request", schema_of)
    if request is not None:
        body: dict[str, Any] = {"schema": request}
        if operation.example is not None:
            named = operation.kinds and models and "model" in _fields(operation.request)
            body["example"] = {
                **({"model": fitting[0]} if named else {}), **operation.example,
            }  # fmt: skip
        entry["requestBody"] = {"required": True, "content": {"application/json": body}}
    if locked:
        entry["security"] = [{"bearer": []}]
    return entry


def _fields(request: Any) -> set[str]:
    """Names of the fields of a request."""
    return set(getattr(request, "__struct_encode_fields__", ()))


def _errors(
    operation: Operation[Any], schema_of: dict[str, Any], *, locked: bool
) -> dict[str, dict[str, Any]]:
    """The error answers an operation can give, in its dialect."""
    dialects = dict.fromkeys(form.dialect for form in operation.forms or (operation,))
    schemas_of = [schema_of[repr(ERRORS[dialect])] for dialect in dialects]
    schema = schemas_of[0] if len(schemas_of) == 1 else {"anyOf": schemas_of}
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
        if "tei" in dialects:
            codes |= {"422", "424"}
    return {
        code: {
            "description": MEANINGS[code],
            "content": {"application/json": {"schema": schema}},
        }
        for code in sorted(codes)
    }

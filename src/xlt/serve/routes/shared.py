"""Paths that several protocols share: the fields of the body say whose it is.

Each operation of such a path says which bodies are its own (`Operation.takes`), in the order of the
table of routes. The first stands for the path and takes the rest; what is wrong with these is told
in its dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation, Peek

__all__ = ["joined"]

FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def joined(operations: Sequence[Operation[Call]]) -> list[Operation[Call]]:
    """One operation a method and path, in their order; what it stands for is in `forms`."""
    places: dict[tuple[str, str], list[Operation[Call]]] = {}
    for operation in operations:
        places.setdefault((operation.method, operation.path), []).append(operation)
    return [forms[0] if len(forms) == 1 else _one(forms) for forms in places.values()]


def _one(forms: list[Operation[Call]]) -> Operation[Call]:
    rest, *others = forms

    async def handler(call: Call) -> Reply:
        peek = Peek(fields=_fields(await call.body()), header=call.header)
        form = next((form for form in others if form.takes is not None and form.takes(peek)), rest)
        if form is not rest and rest.takes is not None and rest.takes(peek):
            raise Problem(
                400,
                "invalid_field",
                f"the body has fields of two protocols, {rest.group}'s and {form.group}'s",
            )
        call.dialect = form.dialect
        return await form.handler(call)

    kinds = tuple(dict.fromkeys(kind for form in forms for kind in form.kinds))
    return replace(rest, handler=handler, kinds=kinds, forms=tuple(forms))


def _fields(body: bytes) -> dict[str, bytes]:
    """The fields of a body, not decoded; none where it is no object of JSON."""
    try:
        return {name: bytes(raw) for name, raw in FIELDS.decode(body).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}

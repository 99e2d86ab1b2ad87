"""One method of one path: handler, types, who may ask. Routing, OpenAPI and docs read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from xlt.serve.errors import Dialect
from xlt.serve.http.bodies import Reply

__all__ = ["Operation", "Peek", "own_paths"]

C = TypeVar("C")  # what handlers take: `Call`, which stands above this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """What decides between operations of one path.

    Attributes:
        fields: of the body, not decoded.
        header: a header's value, or None.
    """

    fields: Mapping[str, bytes]
    header: Callable[[str], str | None]

    def has(self, *names: str) -> bool:
        """Whether the body has one of these fields."""
        return any(name in self.fields for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[C]):
    """One method of one path.

    Attributes:
        name: operation id, unique.
        group: heading in the docs.
        access: "key" needs an API key where keys are set, "admin" always an admin key.
        request, response: msgspec types of the JSON bodies; None for none, or for what JSON
            Schema cannot say.
        example: a request body that works.
        kinds: of models that answer here.
        quiet: not logged when it goes well (probes).
        media: content type of the answer.
        takes: where several operations have one path: whether a body is this one's; the first of
            them takes what no other does.
        forms: the operations that share the path, where this one stands for all of them.
    """

    method: str
    path: str
    handler: Callable[[C], Awaitable[Reply]]
    name: str
    summary: str
    group: str
    dialect: Dialect = "openai"
    access: Literal["open", "key", "admin"] = "key"
    request: Any = None
    response: Any = None
    example: Any = None
    kinds: tuple[str, ...] = ()
    quiet: bool = False
    media: str = "application/json"
    takes: Callable[[Peek], bool] | None = None
    forms: tuple[Operation[C], ...] = ()


def own_paths(operations: Sequence[Operation[Any]], kind: str) -> list[str]:
    """The paths at which models of a kind answer in our own dialect, which is OpenAI's."""
    return [
        op.path
        for op in operations
        if kind in op.kinds and op.dialect == "openai" and op.path.startswith("/v1/")
    ]

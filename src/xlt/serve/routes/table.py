"""The table of routes: path, handler, types, who may ask. Routing, OpenAPI and docs read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from xlt.serve.errors import Dialect
from xlt.serve.http.bodies import Reply

if TYPE_CHECKING:
    from xlt.serve.request.call import Call
    from xlt.serve.settings import Settings

__all__ = ["Operation", "operations"]

Handler = Callable[["Call"], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
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
    """

    method: str
    path: str
    handler: Handler
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


def operations(settings: Settings) -> list[Operation]:
    """All operations of a server with these settings, the busiest first."""
    from xlt.serve.app import pages
    from xlt.serve.routes import admin, health
    from xlt.serve.routes.kserve import routes as kserve
    from xlt.serve.routes.native import routes as native
    from xlt.serve.routes.openai import routes as openai
    from xlt.serve.routes.tei import routes as tei

    found = [*openai.OPERATIONS, *native.OPERATIONS, *tei.OPERATIONS, *kserve.OPERATIONS]
    found += health.OPERATIONS
    if settings.metrics:
        found += health.METRICS
    if settings.docs:
        found += pages.OPERATIONS
    if settings.admin_keys:
        found += [*admin.OPERATIONS, *kserve.ADMIN]
    return found

"""The table of routes: one line a module of handlers. Routing, OpenAPI and docs read it.

a new route = a module with an `OPERATIONS` list, and its line here
"""

from __future__ import annotations

from collections.abc import Sequence

from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.routes import admin, health, pages
from xlt.serve.routes.cohere import routes as cohere
from xlt.serve.routes.kserve import routes as kserve
from xlt.serve.routes.native import routes as native
from xlt.serve.routes.openai import infinity
from xlt.serve.routes.openai import routes as openai
from xlt.serve.routes.shared import joined
from xlt.serve.routes.tei import classes, hub
from xlt.serve.routes.tei import routes as tei
from xlt.serve.settings import Settings

__all__ = ["operations"]

ROUTES: list[Sequence[Operation[Call]]] = [  # the busiest first
    openai.OPERATIONS,
    native.OPERATIONS,
    tei.OPERATIONS,
    classes.OPERATIONS,
    hub.OPERATIONS,
    cohere.OPERATIONS,
    native.ALSO,
    infinity.OPERATIONS,
    kserve.OPERATIONS,
    health.OPERATIONS,
]


async def _no_page(call: Call) -> Reply:
    raise Problem(404, "not_found", "this server has no pages")


NO_PAGE = Operation(
    method="GET", path="/", handler=_no_page, name="no_page", group="pages",
    summary="Nothing: without pages there is only POST here.", access="open",
)  # fmt: skip


def operations(settings: Settings) -> list[Operation[Call]]:
    """All operations of a server with these settings."""
    tables = [*ROUTES]
    if settings.metrics:
        tables.append(health.METRICS)
    if settings.docs:
        tables.append(pages.OPERATIONS)
    else:
        tables.append([NO_PAGE])
    if settings.admin_keys:
        tables += [admin.OPERATIONS, kserve.ADMIN]
    return joined([operation for table in tables for operation in table])

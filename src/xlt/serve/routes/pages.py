"""Pages for people: the playground at `/`, the reference at `/docs`, and what they are made of."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

import orjson

from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.routes.openapi import document

__all__ = ["OPERATIONS"]

HTML = "text/html"
EXAMPLES = b'<script type="application/json" id="carried">{}</script>'
INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


async def openapi(call: Call) -> Reply:
    """The OpenAPI document of this server."""
    state = call.state
    value = document(
        state.operations,
        models={name: served.kind for name, served in state.models.table.items()},
        keys=bool(state.settings.keys),
        server=state.settings.root_path or "/",
    )
    return Reply(body=orjson.dumps(value))


async def docs(call: Call) -> Reply:
    """The reference, drawn from the OpenAPI document; nothing is fetched from elsewhere."""
    return _page("docs.html")


async def playground(call: Call) -> Reply:
    """A page to try the models, with the examples that their bundles carry."""
    state = call.state
    found: dict[str, Any] = {}
    for name, served in state.models.table.items():
        carried = served.bundle.manifest.get("examples")
        # the page asks for no key: only invented text is for everybody
        if isinstance(carried, dict) and (carried.get("constructed") or not state.settings.keys):
            found[name] = carried
    text = orjson.dumps(found).replace(b"<", rb"\u003c")
    return _page("playground.html", (EXAMPLES, EXAMPLES.replace(b"{}", text)))


def _page(name: str, change: tuple[bytes, bytes] = (b"", b"")) -> Reply:
    body, policy = _file(name)
    body = body.replace(*change, 1) if change[0] else body
    return Reply(
        body=body,
        content_type=f"{HTML}; charset=utf-8",
        headers=(("content-security-policy", policy), ("x-content-type-options", "nosniff")),
    )


@cache
def _file(name: str) -> tuple[bytes, str]:
    """A page, and the policy that lets nothing but its own script and style run."""
    text = resources.files("xlt.serve.routes").joinpath(name).read_text("utf-8")
    own = {tag: _hash(source) for tag, source in INLINE.findall(text)}
    policy = (
        f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text.encode(), policy


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="GET", path="/", handler=playground, name="playground", group="pages",
        summary="A page to try the models.", access="open", media=HTML,
    ),
    Operation(
        method="GET", path="/docs", handler=docs, name="docs", group="pages",
        summary="The reference of all routes.", access="open", media=HTML,
    ),
    Operation(
        method="GET", path="/openapi.json", handler=openapi, name="openapi", group="pages",
        summary="This document.", access="open", response=dict,
    ),
]  # fmt: skip

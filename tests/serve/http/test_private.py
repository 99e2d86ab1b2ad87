"""What `serve` uses of uvicorn and Starlette without a promise of theirs.

Seen in uvicorn 0.54.0 and Starlette 1.10.0. When a test here fails after an update, look at
`xlt/serve/http/protocol.py` and `xlt/serve/app/frame.py` before anything else.
"""

import asyncio
import inspect
import re

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Router
from uvicorn.protocols.http import flow_control, h11_impl, httptools_impl

from xlt.serve.http import protocol
from xlt.serve.limits import Limits

SEEN = "seen in uvicorn 0.54.0"
CLASSES = {
    "httptools": (httptools_impl.HttpToolsProtocol, httptools_impl.RequestResponseCycle),
    "h11": (h11_impl.H11Protocol, h11_impl.RequestResponseCycle),
}


@pytest.mark.parametrize("parser", CLASSES)
def test_the_protocols_of_uvicorn_have_the_parts_we_use(parser):
    base, cycle = CLASSES[parser]
    source = inspect.getsource(base)
    for name in ("cycle", "flow", "config", "app", "transport", "loop", "timeout_keep_alive",
                 "timeout_keep_alive_task"):  # fmt: skip
        assert re.search(rf"self\.{name}\b.* = ", source), (name, SEEN)
    for name in ("shutdown", "send_400_response", "timeout_keep_alive_handler", "pause_writing",
                 "resume_writing", "data_received"):  # fmt: skip
        assert callable(getattr(base, name, None)), (name, SEEN)
    source = inspect.getsource(cycle)
    for name in ("disconnected", "message_event", "more_body", "keep_alive", "response_complete",
                 "response_started"):  # fmt: skip
        assert re.search(rf"self\.{name}\b", source), (name, SEEN)


def test_httptools_tells_of_each_part_of_a_body():
    assert callable(httptools_impl.HttpToolsProtocol.on_body), SEEN


def test_reading_is_paused_and_resumed_by_the_flow_control():
    assert callable(flow_control.FlowControl.resume_reading), SEEN


def test_requests_wait_on_a_bound_method_of_their_cycle():
    """`receive.__self__` is the cycle, by which a pipelined request is told of its lost client."""
    for _, cycle in CLASSES.values():
        flat = re.sub(r"\s+", "", inspect.getsource(cycle.run_asgi))
        assert "self.scope,self.receive,self.send" in flat, SEEN


def test_every_attribute_that_our_protocol_declares_is_in_the_list():
    own = {"limits", "counts_bodies"}
    named = set(protocol.Guarded.__annotations__) - own
    text = inspect.getsource(test_the_protocols_of_uvicorn_have_the_parts_we_use)
    assert {name for name in named if f'"{name}"' not in text} == set()


@pytest.mark.parametrize("pure_python", [False, True])
def test_our_protocol_stands_in_front_of_uvicorns(pure_python):
    made = protocol.protocol_class(Limits(), pure_python=pure_python)
    base = CLASSES["h11" if pure_python else "httptools"][0]
    assert made.__mro__[1:3] == (protocol.Guarded, base), SEEN


def test_starlettes_router_raises_where_the_scope_names_an_app():
    """Else it would answer unknown paths itself, in plain text. Seen in Starlette 1.10.0."""
    scope = {"type": "http", "app": object(), "path": "/nowhere", "method": "GET", "headers": []}
    with pytest.raises(HTTPException, match="404"):
        asyncio.run(Router([])(scope, None, None))

"""What `serve` uses of uvicorn and Starlette without a promise of theirs.

Seen in uvicorn 0.54.0 and Starlette 1.10.0. When a test here fails after an update, look at
`xlt/serve/http/protocol.py` and `xlt/serve/app/frame.py` before anything else.
"""

import asyncio
import inspect
import re

import h11
import httptools
import pytest
import uvicorn
from starlette.exceptions import HTTPException
from starlette.routing import Router
from uvicorn.protocols.http import flow_control, h11_impl, httptools_impl

from xlt.serve.http import protocol
from xlt.serve.limits import Limits

SEEN = "seen in uvicorn 0.54.0"
PARSERS = {"httptools": ("parser", "url"), "h11": ("conn",)}
CLASSES = {
    "httptools": (httptools_impl.HttpToolsProtocol, httptools_impl.RequestResponseCycle),
    "h11": (h11_impl.H11Protocol, h11_impl.RequestResponseCycle),
}


@pytest.mark.parametrize("parser", CLASSES)
def test_the_protocols_of_uvicorn_have_the_parts_we_use(parser):
    base, cycle = CLASSES[parser]
    source = inspect.getsource(base)
    for name in ("cycle", "flow", "config", "app", "transport", "loop", "timeout_keep_alive",
                 "timeout_keep_alive_task", "headers", *PARSERS[parser]):  # fmt: skip
        assert re.search(rf"self\.{name}\b.* = ", source), (name, SEEN)
    for name in ("shutdown", "send_400_response", "timeout_keep_alive_handler", "pause_writing",
                 "resume_writing", "data_received"):  # fmt: skip
        assert callable(getattr(base, name, None)), (name, SEEN)
    source = inspect.getsource(cycle)
    for name in ("disconnected", "message_event", "more_body", "keep_alive", "response_complete",
                 "response_started"):  # fmt: skip
        assert re.search(rf"self\.{name}\b", source), (name, SEEN)


def test_httptools_tells_of_each_part_of_a_message():
    for name in ("on_headers_complete", "on_body", "on_message_complete"):
        assert callable(getattr(httptools_impl.HttpToolsProtocol, name)), SEEN


def test_httptools_ends_a_request_at_a_head_that_asks_for_an_upgrade():
    """Seen in httptools 0.9.0: the place behind the head comes with the signal."""

    class Sink:
        pass

    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    parser = httptools.HttpRequestParser(Sink())
    with pytest.raises(httptools.HttpParserUpgrade) as caught:
        parser.feed_data(head + b"body")
    assert caught.value.args == (len(head),) and parser.should_upgrade()


def test_h11_says_501_of_a_transfer_coding_it_does_not_know():
    """Seen in h11 0.16.0."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n")
    with pytest.raises(h11.RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.error_status_hint == 501


def test_reading_is_paused_and_resumed_by_the_flow_control():
    assert callable(flow_control.FlowControl.resume_reading), SEEN


def test_requests_wait_on_a_bound_method_of_their_cycle():
    """`receive.__self__` is the cycle, by which a pipelined request is told of its lost client."""
    for _, cycle in CLASSES.values():
        flat = re.sub(r"\s+", "", inspect.getsource(cycle.run_asgi))
        assert "self.scope,self.receive,self.send" in flat, SEEN


def test_every_attribute_that_our_protocol_declares_is_in_the_list():
    own = {"limits", "losses", "last_file", "counts_bodies"}
    named = set(protocol.Guarded.__annotations__) - own
    text = inspect.getsource(test_the_protocols_of_uvicorn_have_the_parts_we_use) + str(PARSERS)
    assert {name for name in named if name not in re.findall(r"\w+", text)} == set()


@pytest.mark.parametrize("pure_python", [False, True])
def test_our_protocol_stands_in_front_of_uvicorns(pure_python):
    made = protocol.protocol_class(Limits(), pure_python=pure_python)
    base = CLASSES["h11" if pure_python else "httptools"][0]
    assert made.__mro__[1:3] == (protocol.Guarded, base), SEEN


def test_the_server_of_uvicorn_has_the_parts_we_use():
    """`Server.startup` is replaced, since it has no bound on TLS handshakes."""
    source = inspect.getsource(uvicorn.Server)
    for name in ("servers", "started", "lifespan", "server_state", "should_exit"):
        assert re.search(rf"self\.{name}\b", source), (name, SEEN)
    for part in ("config.http_protocol_class(", "config=config", "server_state=self.server_state",
                 "app_state=self.lifespan.state", "await self.lifespan.startup()"):  # fmt: skip
        assert part in source, (part, SEEN)


def test_starlettes_router_raises_where_the_scope_names_an_app():
    """Else it would answer unknown paths itself, in plain text. Seen in Starlette 1.10.0."""
    scope = {"type": "http", "app": object(), "path": "/nowhere", "method": "GET", "headers": []}
    with pytest.raises(HTTPException, match="404"):
        asyncio.run(Router([])(scope, None, None))

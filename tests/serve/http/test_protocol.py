"""A connection: answers in one packet, and word of its end for those who wait."""

import asyncio
import json
import socket
import time

import pytest

from xlt.serve.http.bodies import Connection
from xlt.serve.http.packets import LARGEST_PACKET, OnePacket


class Transport:
    """Notes what reaches the wire."""

    def __init__(self):
        self.wire = []

    def write(self, data):
        self.wire.append(data)

    def close(self):
        self.wire.append("closed")

    def write_eof(self):
        self.wire.append("end")

    def get_write_buffer_size(self):
        return 17


def test_a_block_makes_one_packet_and_its_end_or_a_close_sends_it():
    transport = Transport()
    packet = OnePacket(transport)
    packet.write(b"a")
    with packet:
        packet.write(b"b")
        packet.write(b"c")
        assert transport.wire == [b"a"]
    with packet:
        packet.write(b"d")
        packet.close()
        assert transport.wire == [b"a", b"bc", b"d", "closed"]
    with packet:
        pass
    packet.write(b"e")
    assert transport.wire == [b"a", b"bc", b"d", "closed", b"e"]
    with packet:
        packet.write(b"f")
        packet.write_eof()
    assert transport.wire[5:] == [b"f", "end"]
    long = b"x" * LARGEST_PACKET
    with packet:
        packet.write(b"g")
        packet.write(long)
    assert transport.wire[7:] == [b"g", long]
    assert packet.get_write_buffer_size() == 17


def test_what_was_written_before_an_error_is_sent():
    transport = Transport()
    packet = OnePacket(transport)
    with pytest.raises(KeyError), packet:
        packet.write(b"x")
        raise KeyError
    assert transport.wire == [b"x"]


def test_a_connection_is_closed_even_when_its_last_words_cannot_be_said():
    class Ended(Transport):
        def write(self, data):
            raise RuntimeError("Cannot call write() after write_eof()")

    transport = Ended()
    packet = OnePacket(transport)
    with pytest.raises(RuntimeError), packet:
        packet.write(b"x")
        packet.close()
    assert transport.wire == ["closed"]


def test_those_who_watch_a_line_are_told_once_and_late_comers_too():
    line, told = Connection(OnePacket(Transport())), []
    with line.watched(lambda: told.append("left in time")):
        pass
    with line.watched(lambda: told.append("first")), line.watched(lambda: told.append("second")):
        line.cut()
        line.cut()
    assert sorted(told) == ["first", "second"]
    with line.watched(lambda: told.append("late")):
        assert told[-1] == "late"


def request_of(inputs):
    body = json.dumps({"inputs": inputs}).encode()
    return (
        b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    ) + body


@pytest.mark.parametrize("data", [2 * request_of(["a b"] * 30), request_of(["a b " * 40_000] * 4)])
def test_a_client_that_leaves_is_noticed(server, caplog, data):
    """With another request pipelined behind its own, and after a body that stops the reading."""
    before = server.total("xlt_cancelled_total", reason="disconnect")
    with server.app.state.models.device_lock:
        link = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        head, _, body = data.partition(b"\r\n\r\n")
        link.sendall(head + b"\r\n\r\n")
        time.sleep(0.05)  # the server waits for the body, which comes in one piece
        link.sendall(body)
        server.wait(lambda: server.waiting == 1)
        link.close()
        server.wait(lambda: server.waiting == 0)
    assert server.total("xlt_cancelled_total", reason="disconnect") == before + 1
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_without_our_protocol_a_client_that_leaves_is_noticed_by_asgi(server):
    """As under another server: no line in the scope."""
    body = json.dumps({"inputs": ["a b"]}).encode()
    sent = []

    async def ask(leave):
        messages = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
        if leave:
            messages.put_nowait({"type": "http.disconnect"})
        scope = {
            "type": "http", "method": "POST", "path": "/v1/classify", "headers": [],
            "query_string": b"", "root_path": "",
        }  # fmt: skip

        async def send(message):
            sent.append(message)

        await server.app(scope, messages.get, send)

    def run(leave):
        loop = server.app.state.scheduler.loop
        asyncio.run_coroutine_threadsafe(ask(leave), loop).result(20)

    with server.app.state.models.device_lock:
        run(leave=True)
    assert sent == []
    run(leave=False)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200

"""HTTP as it comes from hostile sockets: slow, broken, pipelined, half closed, never read."""

import http.client
import json
import socket
import time

import pytest

from xlt.serve.limits import Limits

BODY = json.dumps({"inputs": ["the cat"]}).encode()
HEAD = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(BODY)
REQUEST = HEAD + b"connection: close\r\n\r\n" + BODY


def body_of(received):
    return json.loads(received.split(b"\r\n\r\n", 1)[1])


def status_of(link):
    """The status of one whole answer."""
    reply = http.client.HTTPResponse(link)
    reply.begin()
    reply.read()
    return reply.status


def test_an_ordinary_request(quick):
    assert quick.raw(REQUEST).startswith(b"HTTP/1.1 200")


def test_heads_alone_are_answered_on_a_kept_connection(quick):
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        for _ in range(2):
            link.sendall(b"HEAD /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += link.recv(4096)
            assert received.startswith(b"HTTP/1.1 200")


def test_a_head_that_never_ends_is_408(quick):
    started = time.monotonic()
    received = quick.raw(b"POST /v1/classify HTTP/1.1\r\nhost: x\r\n")
    assert received.startswith(b"HTTP/1.1 408")
    assert body_of(received)["error"]["code"] == "read_timeout"
    assert time.monotonic() - started < 5


def test_a_head_that_drips_is_408_all_the_same(quick):
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        link.sendall(b"GET /health/live HTTP/1.1\r\n")
        received = b""
        started = time.monotonic()
        link.settimeout(0.1)
        while time.monotonic() - started < 5:
            try:
                link.sendall(b"a: b\r\n")
                received += link.recv(4096)
                if received:
                    break
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")


def test_a_body_that_never_comes_is_408(quick):
    received = quick.raw(HEAD + b"\r\n" + BODY[:5])
    assert received.startswith(b"HTTP/1.1 408")
    assert "--read-seconds" in body_of(received)["error"]["message"]


def test_a_second_head_on_a_kept_connection_has_a_deadline_too(quick):
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        link.sendall(HEAD + b"\r\n" + BODY)
        assert status_of(link) == 200
        link.sendall(b"GET /health")
        received = b""
        while chunk := link.recv(4096):
            received += chunk
    assert received.startswith(b"HTTP/1.1 408")


def test_a_silent_connection_is_closed_without_a_word(quick):
    assert quick.raw(b"") == b""


def test_an_idle_kept_connection_is_closed(quick):
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        link.sendall(HEAD + b"\r\n" + BODY)
        assert status_of(link) == 200
        assert link.recv(1) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET  HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_gets_a_4xx_or_is_closed(quick, data):
    received = quick.raw(data)
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408")), received[:200]
    assert b"content-type: application/json" in received.lower()
    assert quick.raw(REQUEST).startswith(b"HTTP/1.1 200")


def test_huge_heads_are_431(quick):
    received = quick.raw(b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 400_000)
    assert received.startswith(b"HTTP/1.1 431")
    assert body_of(received)["error"]["code"] == "head_too_large"


def test_length_and_chunks_together_are_refused(quick):
    data = HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n"
    assert quick.raw(data).startswith(b"HTTP/1.1 400")


def test_chunked_bodies_and_expect_100_continue_work(quick):
    data = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    chunks = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n"
    assert quick.raw(data + b"connection: close\r\n\r\n" + chunks).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        link.sendall(HEAD + b"expect: 100-continue\r\nconnection: close\r\n\r\n")
        assert link.recv(1000).startswith(b"HTTP/1.1 100")
        link.sendall(BODY)
        assert link.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_expect_100_continue_is_refused_before_the_body_when_that_is_too_large(quick):
    head = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n"
    received = quick.raw(head + b"expect: 100-continue\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413")


def test_an_answer_comes_before_the_refusal_of_what_follows_it(quick, request):
    received = quick.raw(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\nGARBAGE\r\n\r\n")
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    # httptools sees the garbage before the first request has begun
    h11 = request.node.callspec.params["quick"] == "h11"
    assert statuses == ([b"200", b"400"] if h11 else [b"400"])


def flood(running, first, again, rounds=40):
    """Send something, then more and more of the same; what came back within half a second."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as link:
        link.sendall(first)
        time.sleep(0.05)
        received = b""
        link.settimeout(0.5)
        try:
            for _ in range(rounds):
                link.sendall(again)
                time.sleep(0.005)
            while chunk := link.recv(1 << 16):
                received += chunk
        except OSError:  # cut off, or no longer read
            pass
    return received


@pytest.mark.parametrize("place", ["pipelined head", "trailers"])
def test_what_is_no_body_is_bounded_behind_a_request_too(quick, request, place):
    """A head behind a request in hand, and the trailers of a chunked body, could grow for ever."""
    chunked = HEAD.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"
    with quick.app.state.models.device_lock:
        if place == "trailers":
            begun = chunked + b"%x\r\n%s\r\n0\r\na: " % (len(BODY), BODY)
        else:
            begun = HEAD + b"\r\n" + BODY + b"GET / HTTP/1.1\r\na: "
        received = flood(quick, begun, b"x" * (16 << 10))
    if place == "pipelined head" and request.node.callspec.params["quick"] == "h11":
        assert received == b""  # it stops reading there
    else:
        assert received.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    quick.wait(lambda: quick.waiting == 0)


def test_a_body_in_tiny_chunks_is_taken(quick):
    chunked = HEAD.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n"
    text = json.dumps({"inputs": ["a " * 10_000]}).encode()
    body = b"".join(b"1\r\n%c\r\n" % letter for letter in text) + b"0\r\n\r\n"
    received = quick.raw(chunked + b"connection: close\r\n\r\n" + body)
    assert received.startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(quick):
    first = HEAD + b"x-request-id: one\r\n\r\n" + BODY
    second = HEAD + b"x-request-id: two\r\nconnection: close\r\n\r\n" + BODY
    received = quick.raw(first + second)
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.index(b"x-request-id: one") < received.index(b"x-request-id: two")


def test_half_closed_connections_do_no_harm(quick):
    quick.raw(REQUEST, close=True)
    quick.raw(HEAD + b"\r\n" + BODY[:4], close=True)
    assert quick.raw(REQUEST).startswith(b"HTTP/1.1 200")


def test_a_client_that_never_reads_is_dropped(quick):
    inputs = ["the cat"] * 2000
    body = json.dumps({"inputs": inputs}).encode()
    head = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(10)
        link.connect(("127.0.0.1", quick.port))
        for _ in range(40):
            try:
                link.sendall(head + body)
            except (TimeoutError, ConnectionError):
                break
        quick.wait(lambda: not quick.server.server_state.connections, 20)
    assert quick.raw(REQUEST).startswith(b"HTTP/1.1 200")


def test_a_slow_reader_of_a_long_answer_gets_all_of_it(run_server, bundles):
    limits = Limits(write_seconds=1.0, keep_alive_seconds=1.0)
    server = run_server({"encoder": bundles["encoder"]}, limits=limits)
    body = json.dumps({"sources": [f"cat {i}" for i in range(1400)]}).encode()
    head = b"POST /v1/similarity HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        link.settimeout(10)
        link.connect(("127.0.0.1", server.port))
        link.sendall(head + body)
        started = time.monotonic()
        received = link.recv(1 << 16)
        length = int(received.split(b"content-length: ")[1].split(b"\r\n")[0])
        wanted = received.index(b"\r\n\r\n") + 4 + length
        n_received = len(received)
        assert wanted > 15_000_000  # more than the system's own buffers hold
        while n_received < wanted:
            chunk = link.recv(min(1 << 16, wanted - n_received))
            assert chunk, "the server has closed the connection"
            n_received += len(chunk)
            time.sleep(0.01)
        assert time.monotonic() - started > 2  # past all deadlines
    server.stop()


def test_slow_clients_do_not_disturb_the_others(quick):
    links = []
    for _ in range(100):
        link = socket.create_connection(("127.0.0.1", quick.port))
        link.sendall(b"POST /v1/classify HTTP/1.1\r\nhost: x\r\n")
        links.append(link)
    for _ in range(20):
        assert quick.call("POST", "/v1/classify", BODY)[0] == 200
    quick.wait(lambda: not quick.server.server_state.connections, 20)
    for link in links:
        link.close()


def test_connections_are_kept_for_further_requests(quick):
    link = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=10)
    for _ in range(20):
        link.request("POST", "/v1/classify", BODY)
        reply = link.getresponse()
        assert reply.status == 200
        reply.read()
    link.close()

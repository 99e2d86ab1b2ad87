"""Heads that HTTP/1.1 forbids, and upgrades that are not offered."""

import http.client
import json
import shutil
import socket
import subprocess
import time

import pytest

BODY = json.dumps({"inputs": ["the cat"]}).encode()
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\n\r\n"
UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAAB\r\n",
    "TLS": b"connection: upgrade\r\nupgrade: TLS/1.2\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
}


def post(*lines):
    return b"POST /v1/classify HTTP/1.1\r\nhost: x\r\n" + b"".join(lines) + b"\r\n"


def answers(received):
    """(status, body) of each answer in what was received."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(x.split(":")[1]) for x in lines if x.startswith("content-length"))
        found.append((int(lines[0].split()[1]), json.loads(rest[:length])))
        received = rest[length:]
    return found


def talk(running, *parts, pause=0.0):
    """All that a server says to parts sent one after another, until it closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as link:
        for part in parts:
            link.sendall(part)
            time.sleep(pause)
        received = b""
        while chunk := link.recv(1 << 16):
            received += chunk
    return received


def classified(received):
    (found,) = answers(received)
    assert found[0] == 200, found
    return found[1]["data"]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("pause", [0.0, 0.1])
@pytest.mark.parametrize("form", ["length", "chunks"])
def test_a_body_behind_an_upgrade_that_is_not_offered_is_read(quick, upgrade, pause, form):
    lines = (UPGRADES[upgrade], LENGTH if form == "length" else b"transfer-encoding: chunked\r\n")
    body = BODY if form == "length" else CHUNKED
    parts = [post(*lines), body] if pause else [post(*lines) + body]
    parts.append(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    plain = talk(quick, post(LENGTH, b"connection: close\r\n") + BODY)
    (classify, live) = answers(talk(quick, *parts, pause=pause))
    assert classify[0] == 200
    assert classify[1]["data"] == classified(plain)
    assert live == (200, {"live": True})


def test_a_body_in_single_bytes_behind_an_upgrade_is_read(quick):
    data = post(UPGRADES["h2c"], LENGTH) + BODY
    close = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    parts = [data[i : i + 1] for i in range(len(data))]
    found = answers(talk(quick, *parts, close))
    assert [status for status, _ in found] == [200, 200]


def test_the_body_behind_an_upgrade_is_never_the_next_request(quick):
    """Request smuggling: the body is a request of its own."""
    hidden = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    head = post(UPGRADES["h2c"], b"content-length: %d\r\n" % len(hidden))
    last = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = answers(talk(quick, head, hidden, last, pause=0.3))
    assert [status for status, _ in found] == [400, 200]
    assert found[0][1]["error"]["code"] == "invalid_json"
    assert found[1][1] == {"live": True}


def test_a_wish_to_close_beside_an_upgrade_is_kept(quick):
    head = post(b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n", LENGTH)
    assert classified(talk(quick, head + BODY))


def test_requests_pipelined_behind_an_upgrade_are_answered_in_order(quick):
    one = post(UPGRADES["websocket"], LENGTH, b"x-request-id: one\r\n") + BODY
    two = post(UPGRADES["h2c"], LENGTH, b"x-request-id: two\r\nconnection: close\r\n") + BODY
    received = talk(quick, one + two)
    assert [status for status, _ in answers(received)] == [200, 200]
    assert received.index(b"x-request-id: one") < received.index(b"x-request-id: two")


def test_nothing_behind_a_tunnel_is_read_as_a_request(quick):
    hidden = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    received = talk(quick, b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", hidden, pause=0.1)
    assert received.count(b"HTTP/1.1 ") <= 1
    assert b"list" not in received


@pytest.mark.parametrize("hosts", [b"", b"host: a\r\nhost: b\r\n", b"Host: a\r\nHOST: a\r\n"])
def test_a_request_without_a_host_or_with_two_is_400(quick, hosts):
    data = b"POST /v1/classify HTTP/1.1\r\n" + hosts + LENGTH + b"\r\n" + BODY
    ((status, answer),) = answers(talk(quick, data))
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


def test_http_1_0_needs_no_host(quick):
    data = b"POST /v1/classify HTTP/1.0\r\n" + LENGTH + b"\r\n" + BODY
    assert classified(talk(quick, data))


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"x-gzip,chunked"])
def test_a_transfer_coding_that_is_not_undone_is_501(quick, coding):
    head = post(b"transfer-encoding: " + coding + b"\r\n")
    hidden = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    ((status, answer),) = answers(talk(quick, head + CHUNKED + hidden))
    assert (status, answer["error"]["code"]) == (501, "unsupported_transfer_coding")


@pytest.mark.parametrize("n_lines", [1, 700])
def test_a_large_head_is_431_also_when_it_comes_in_one_read(quick, n_lines):
    line = b"a: " + b"b" * ((70 << 10) // n_lines) + b"\r\n"
    data = b"GET /health/live HTTP/1.1\r\nhost: x\r\n" + line * n_lines + b"\r\n"
    ((status, answer),) = answers(talk(quick, data))
    assert (status, answer["error"]["code"]) == (431, "head_too_large")


def test_a_head_of_60_kib_is_read(quick):
    data = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\na: " + b"b" * (60 << 10)
    assert answers(talk(quick, data + b"\r\n\r\n")) == [(200, {"live": True})]


def test_the_request_of_stock_java_is_answered(server):
    """As `java.net.http` sends it on a plain connection."""
    body = b'{"input":"a"}'
    data = (
        b"POST /v1/embeddings HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Content-Length: %d\r\nHost: x\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"
        b"\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/17\r\n\r\n" % len(body)
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        for _ in range(2):
            link.sendall(data + body)
            reply = http.client.HTTPResponse(link)
            reply.begin()
            assert reply.status == 200
            assert len(json.loads(reply.read())["data"]) == 1


def test_curl_with_http2_is_answered(server):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        ["curl", "--http2", "-sS", "--noproxy", "*", "-H", "content-type: application/json",
         "-d", '{"input":"a"}', f"http://127.0.0.1:{server.port}/v1/embeddings"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert "embedding" in json.loads(done.stdout)["data"][0], done.stderr


JAVA = """
import java.net.URI; import java.net.http.*;
public class Ask {
  public static void main(String[] arguments) throws Exception {
    var client = HttpClient.newHttpClient();
    for (int i = 0; i < 2; i++) {
      var request = HttpRequest.newBuilder(URI.create(arguments[0]))
        .header("content-type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString("{\\"input\\":\\"a\\"}")).build();
      var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.body().contains("embedding"));
    }
  }
}
"""


def test_a_stock_java_client_is_answered(server, tmp_path):
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    (tmp_path / "Ask.java").write_text(JAVA)
    done = subprocess.run(
        ["java", str(tmp_path / "Ask.java"), f"http://127.0.0.1:{server.port}/v1/embeddings"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["200 true", "200 true"], done.stderr

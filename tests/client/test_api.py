"""The client against scripted servers: retries, pauses, errors."""

import email.utils
import json
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import xlt
from xlt.client.api import Client, PartlyFailed, Unavailable
from xlt.core.errors import DataError, ModelError, UsageError

EMBEDDING = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAAA="}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
BUSY = {"error": {"message": "busy", "type": "rate_limit_error", "param": None, "code": "full"}}


class Script(ThreadingHTTPServer):
    """Gives the answers of a list, one a request, and notes what was asked."""

    daemon_threads = True

    def __init__(self, answers):
        self.answers, self.asked, self.links = list(answers), [], set()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.links.add(self.connection)

    def finish(self):
        super().finish()
        self.server.links.discard(self.connection)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.path, dict(self.headers), body))
        status, headers, answer = self.server.answers.pop(0)
        if status == 0:  # hang up without an answer
            self.close_connection = True
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        sent = {"content-type": "application/json", "content-length": str(len(data)), **headers}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def script():
    """Start a scripted server; returns it and a client of it."""
    started = []

    def start(*answers, **options):
        server = Script(answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = Client(server.url, **options)
        started.append((server, thread, client))
        return server, client

    yield start
    for server, thread, client in started:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def pauses(monkeypatch):
    """Pauses are noted, not made."""
    made = []
    monkeypatch.setattr("xlt.client.http.time.sleep", made.append)
    return made


def test_the_name_is_public():
    assert xlt.Client is Client


def test_a_full_server_is_asked_again_after_the_pause_it_names(script):
    server, client = script((429, {"retry-after-ms": "40"}, BUSY), (200, {}, EMBEDDING))
    started = time.monotonic()
    assert client.embed(["a"]).tolist() == [[1.0, 0.0]]
    assert time.monotonic() - started >= 0.04
    assert len(server.asked) == 2
    assert server.asked[0][2] == server.asked[1][2]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_these_statuses_are_tried_again(script, pauses, status):
    _, client = script((status, {"retry-after": "3"}, BUSY), (200, {}, EMBEDDING))
    assert client.embed(["a"]).shape == (1, 2)
    assert pauses == [3.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422])
def test_these_statuses_are_not_tried_again(script, pauses, status):
    server, client = script((status, {}, BUSY))
    with pytest.raises((UsageError, ModelError), match=f"{status}: busy"):
        client.embed(["a"])
    assert pauses == [] and len(server.asked) == 1


def test_milliseconds_win_over_seconds(script, pauses):
    _, client = script((503, {"retry-after-ms": "250", "retry-after": "9"}, BUSY),
                       (200, {}, EMBEDDING))  # fmt: skip
    client.embed(["a"])
    assert pauses == [0.25]


def test_a_date_is_a_pause_too(script, pauses):
    when = email.utils.formatdate(time.time() + 30, usegmt=True)
    _, client = script((503, {"retry-after": when}, BUSY), (200, {}, EMBEDDING))
    client.embed(["a"])
    assert 20 < pauses[0] <= 30


@pytest.mark.parametrize("value", ["soon", "-3", "nan", ""])
def test_a_pause_that_is_none_is_not_believed(script, pauses, value):
    _, client = script((503, {"retry-after": value}, BUSY), (200, {}, EMBEDDING))
    client.embed(["a"])
    assert 0 < pauses[0] <= 0.25


def test_pauses_grow_when_the_server_names_none(script, pauses):
    _, client = script(*[(500, {}, BUSY)] * 5, retries=4)
    with pytest.raises(Unavailable):
        client.embed(["a"])
    assert [0.125 * 2**n <= p <= 0.25 * 2**n for n, p in enumerate(pauses)] == [True] * 4


def test_a_server_that_says_no_is_not_asked_again(script, pauses):
    _, client = script((500, {"x-should-retry": "false"}, BUSY))
    with pytest.raises(Unavailable):
        client.embed(["a"])
    assert pauses == []


def test_a_server_that_says_yes_is_asked_again(script, pauses):
    _, client = script((400, {"x-should-retry": "true"}, BUSY), (200, {}, EMBEDDING))
    client.embed(["a"])
    assert len(pauses) == 1


def test_nobody_waits_for_hours(script, pauses):
    _, client = script((503, {"retry-after": "3600"}, BUSY))
    with pytest.raises(Unavailable):
        client.embed(["a"])
    assert pauses == []


def test_retries_end(script, pauses):
    server, client = script(*[(429, {"retry-after": "1"}, BUSY)] * 3, retries=2)
    with pytest.raises(Unavailable, match="429: busy") as caught:
        client.embed(["a"])
    assert len(server.asked) == 3 and pauses == [1.0, 1.0]
    assert caught.value.hint


def test_a_lost_connection_is_tried_again(script, pauses):
    server, client = script((0, {}, b""), (200, {}, EMBEDDING))
    assert client.embed(["a"]).shape == (1, 2)
    assert len(server.asked) == 2 and len(pauses) == 1


def test_connections_are_kept(script):
    server, client = script((200, {}, EMBEDDING), (200, {}, EMBEDDING))
    client.embed(["a"])
    (link,) = server.links
    client.embed(["a"])
    assert server.links == {link}


def test_a_kept_connection_that_was_closed_costs_no_retry(script, pauses):
    server, client = script((200, {}, EMBEDDING), (200, {}, EMBEDDING), retries=0)
    client.embed(["a"])
    for link in list(server.links):
        link.shutdown(socket.SHUT_RDWR)
    assert client.embed(["a"]).shape == (1, 2)
    assert pauses == []


def test_nobody_there_is_one_clear_error(pauses):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", retries=1) as client:
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            client.models()
        assert client.ready() is False
    assert "xlt serve" in caught.value.hint and len(pauses) == 1


def test_a_server_that_never_answers_is_given_up(pauses):
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.05, retries=0) as client,
        pytest.raises(Unavailable, match=r"within 0\.05 s"),
    ):
        client.models()


def test_key_and_deadline_are_sent(script):
    server, client = script((200, {}, EMBEDDING), key="s3cret", timeout=7)
    client.embed(["ä"])
    path, headers, body = server.asked[0]
    assert path == "/v1/embeddings"
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["x-request-timeout-ms"] == "7000"
    assert "ä".encode() in body  # not escaped: bodies have a limit in bytes
    assert "s3cret" not in repr(client)


def test_a_prefix_of_the_address_stays(script):
    server, client = script((200, {}, {"object": "list", "data": []}))
    client.close()
    with Client(server.url + "/models/xlt/") as prefixed:
        assert prefixed.models() == []
    assert server.asked[0][0] == "/models/xlt/v1/models"


@pytest.mark.parametrize("status, kind, hint", [
    (401, UsageError, "key="), (403, UsageError, "key="), (404, ModelError, "models()"),
    (400, UsageError, "/docs"), (413, UsageError, "/docs"),
])  # fmt: skip
def test_refusals_say_what_to_do(script, status, kind, hint):
    _, client = script((status, {}, BUSY))
    with pytest.raises(kind) as caught:
        client.embed(["a"])
    assert hint in caught.value.hint


@pytest.mark.parametrize("answer, shown", [
    (b"<html><h1>Bad\n gateway</h1></html>", "<html><h1>Bad gateway</h1></html>"),
    (b"", "an empty body"), (b"\xff\xfe", "\ufffd"),
])  # fmt: skip
def test_what_a_proxy_says_is_shown(script, pauses, answer, shown):
    _, client = script((502, {"content-type": "text/html"}, answer), retries=0)
    with pytest.raises(Unavailable, match="502") as caught:
        client.embed(["a"])
    assert shown in caught.value.message


@pytest.mark.parametrize("answer", [b"hello", b"{", b""])
def test_an_answer_that_is_no_json_is_an_error(script, answer):
    _, client = script((200, {}, answer))
    with pytest.raises(ModelError, match="something else than JSON"):
        client.models()


@pytest.mark.parametrize("answer", [[1], {"error": "plain"}, {"error": {"message": "m"}}, b"{"])
def test_any_error_body_is_read(script, answer):
    _, client = script((400, {}, answer))
    with pytest.raises(UsageError):
        client.embed(["a"])


def test_a_lone_surrogate_never_leaves_the_house(script):
    server, client = script()
    with pytest.raises(DataError, match="Unicode"):
        client.embed(["a\ud800"])
    with pytest.raises(UsageError, match="JSON"):
        client.bitext(["a"], ["b"], threshold=float("nan"))
    assert server.asked == []


def test_failed_inputs_cost_only_themselves(script):
    label = {"label": "x", "score": 0.9, "scores": {"x": 0.9, "y": 0.1}}
    data = [
        {"index": 0, **label},
        {"index": 1, "error": {"message": "NaN", "type": "t", "param": None, "code": "c"}},
        {"index": 2, "truncated": True, "news": "of a later server", **label},
    ]
    _, client = script((200, {}, {"object": "list", "data": data}))
    with pytest.raises(PartlyFailed, match="1 of 3 inputs failed; input 1: NaN") as caught:
        client.classify(["a", "b", "c"])
    first, failed, last = caught.value.results
    assert first.label == "x" and failed is None and last.truncated
    assert caught.value.errors == {1: "NaN"}


def test_one_text_alone_is_one_input(script):
    server, client = script((200, {}, EMBEDDING))
    client.embed("abc")
    assert json.loads(server.asked[0][2])["input"] == ["abc"]


@pytest.mark.parametrize("options, names", [
    ({"url": "127.0.0.1:8080"}, "address"), ({"url": "ftp://x"}, "address"),
    ({"url": "http://"}, "address"), ({"url": "http://x:port"}, "address"),
    ({"url": "http://[::1"}, "address"), ({"url": "unix:"}, "address"), ({"timeout": 0}, "timeout"),
    ({"timeout": float("inf")}, "timeout"), ({"retries": -1}, "retries"),
    ({"key": "a\nb"}, "key"), ({"key": "schlüssel"}, "key"),
])  # fmt: skip
def test_wrong_settings_show_at_once(options, names):
    with pytest.raises(UsageError, match=names):
        Client(**options)


def test_all_mistakes_show_together():
    with pytest.raises(UsageError, match="3 mistakes"):
        Client("nowhere", timeout=-1, retries=-1)


def test_a_unix_socket_is_an_address(tmp_path):
    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        answers, asked, links = [(200, {}, EMBEDDING)], [], set()

        def get_request(self):
            return super().get_request()[0], ("local", 0)

    path = tmp_path / "s"
    with Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Client(f"unix:{path}") as client:
            vectors = client.embed(["a"])
        server.shutdown()
        thread.join()
    assert vectors.dtype == np.float32


def test_threads_share_a_client(script):
    n = 24
    server, client = script(*[(200, {}, EMBEDDING)] * n)
    shapes = []
    threads = [
        threading.Thread(target=lambda: shapes.append(client.embed(["a"]).shape)) for _ in range(n)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [(1, 2)] * n and len(server.asked) == n

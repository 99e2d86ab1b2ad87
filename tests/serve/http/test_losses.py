"""Clients that end their side early, and connections that end without an answer."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time

import pytest
import trustme

from xlt.serve.app.server import Bind
from xlt.serve.http.losses import Losses
from xlt.serve.limits import Limits

BODY = json.dumps({"inputs": ["the cat"]}).encode()
POST = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(BODY)


def until_closed(link):
    received = b""
    while chunk := link.recv(1 << 16):
        received += chunk
    return received


@pytest.mark.parametrize("close", [b"", b"connection: close\r\n"])
def test_a_client_that_ends_its_side_after_its_request_gets_the_answer(quick, close):
    received = quick.raw(POST + close + b"\r\n" + BODY, close=True)
    assert received.startswith(b"HTTP/1.1 200")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["data"]


def test_a_client_that_ends_its_side_behind_two_requests_gets_both_answers(quick):
    received = quick.raw((POST + b"\r\n" + BODY) * 2, close=True)
    assert received.count(b"HTTP/1.1 200") == 2


def test_a_client_that_ends_its_side_in_a_request_is_let_go(quick):
    assert b"200" not in quick.raw(POST + b"\r\n" + BODY[:4], close=True)
    quick.wait(lambda: quick.waiting == 0)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_that_takes_long_reaches_a_client_that_ended_its_side(quick, version):
    """An interim answer asks whether it still listens; HTTP/1.0 has none."""
    with socket.create_connection(("127.0.0.1", quick.port), timeout=20) as link:
        with quick.app.state.models.device_lock:
            link.sendall(POST.replace(b"1.1", version) + b"\r\n" + BODY)
            link.shutdown(socket.SHUT_WR)
            quick.wait(lambda: quick.waiting == 1)
            time.sleep(0.8)
            assert quick.waiting == 1
        received = until_closed(link)
    *interim, last = received.split(b"HTTP/" + b"1.1 ")[1:]
    assert last.startswith(b"200 OK")
    assert interim == ([b"100 Continue\r\n\r\n"] if version == b"1.1" else [])


def test_python_s_client_reads_over_the_interim_answer(quick):
    link = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=20)
    with quick.app.state.models.device_lock:
        link.request("POST", "/v1/classify", BODY)
        link.sock.shutdown(socket.SHUT_WR)
        time.sleep(0.5)
    assert link.getresponse().status == 200
    link.close()


def test_a_client_that_never_reads_is_counted_and_logged(quick, caplog):
    inputs = json.dumps({"inputs": ["the cat"] * 2000}).encode()
    before = quick.total("xlt_connections_lost_total", reason="write_deadline")
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(10)
        link.connect(("127.0.0.1", quick.port))
        head = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(inputs)
        for _ in range(40):  # one after another, until the system's buffers are full
            with contextlib.suppress(ConnectionError):
                link.sendall(head + inputs)
            quick.wait(lambda: quick.waiting == 0)
            time.sleep(0.1)
            if quick.total("xlt_connections_lost_total", reason="write_deadline") > before:
                break
        quick.wait(
            lambda: quick.total("xlt_connections_lost_total", reason="write_deadline") > before
        )
    assert [r.fields["reason"] for r in caplog.records if r.getMessage() == "connection lost"]


def test_a_flood_of_losses_is_counted_in_full_and_logged_once(caplog):
    counted = []
    losses = Losses(counted.append)
    for _ in range(50):
        losses.note("open_files")
    losses.logged["open_files"] -= 2
    losses.note("open_files")
    assert len(counted) == 51
    assert [record.fields["more"] for record in caplog.records] == [0, 49]


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_a_slow_tls_handshake_is_ended_counted_and_logged(
    run_server, bundles, tmp_path, caplog, loop
):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    bind = Bind(port=0, certificate=tmp_path / "both.pem", key=tmp_path / "both.pem")
    limits = Limits(read_seconds=0.5)
    running = run_server({"xnli": bundles["xnli"]}, bind=bind, limits=limits, loop=loop)
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def lost():
        link = http.client.HTTPSConnection("127.0.0.1", running.port, context=context, timeout=10)
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
        link.close()
        found = [x for x in text.splitlines() if x.startswith("xlt_connections_lost_total{")]
        return next(float(x.split()[-1]) for x in found if "tls_handshake" in x)

    assert lost() == 0
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as link:
        link.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a client's first record
        started = time.monotonic()
        assert until_closed(link) == b""
        assert time.monotonic() - started < 10
    running.wait(lambda: lost() == 1)
    assert [r.fields["reason"] for r in caplog.records if r.getMessage() == "connection lost"] == [
        "tls_handshake"
    ]
    running.stop()


def ask(link, method, path, body=None):
    link.request(method, path, body)
    reply = link.getresponse()
    return reply.status, reply.read()


def test_no_room_for_more_connections_is_said_counted_and_logged(bundles, tmp_path):
    """With few open files allowed; those who are connected are served on."""
    import resource

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "xlt", "serve", str(bundles["xnli"]), "--port", "0",
         "--no-warm-up", "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=few,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    links = []
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        first = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        deadline = time.monotonic() + 60
        while ask(first, "GET", "/health/ready")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        links = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(80)]
        refused = []
        for link in links[-10:]:
            try:
                refused.append(until_closed(link))
            except ConnectionError:
                refused.append(b"")
        assert any(b"too_many_connections" in said for said in refused)
        assert ask(first, "POST", "/v1/classify", BODY)[0] == 200
        text = ask(first, "GET", "/metrics")[1].decode()
        (line,) = [x for x in text.splitlines() if 'lost_total{reason="open_files"}' in x]
        assert float(line.split()[-1]) >= 10
    finally:
        for link in (*links, first):
            link.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()
        log.close()
    assert "open_files" in (tmp_path / "log").read_text()

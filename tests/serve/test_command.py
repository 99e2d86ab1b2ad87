"""`xlt serve` as a user starts it: address, signals, exit codes, JSON log."""

import http.client
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from xlt.serve.http.logs import JsonFormatter, PipeHandler


class Process:
    """A server in a process of its own."""

    def __init__(self, *arguments, env=None):
        self.child = subprocess.Popen(
            [sys.executable, "-m", "xlt", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.child.stdout.readline().strip().removeprefix("serving on ")

    def _read(self):
        self.lines.extend(self.child.stderr)

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def get(self, path, body=None, headers=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        link.request("POST" if body else "GET", path, body and json.dumps(body), headers or {})
        reply = link.getresponse()
        answer = reply.status, json.loads(reply.read())
        link.close()
        return answer

    def wait_ready(self):
        deadline = time.monotonic() + 30
        while self.get("/health/ready")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def events(self):
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def start(bundles):
    running = []

    def begin(*arguments, **more):
        arguments = arguments or (bundles["xnli"],)
        running.append(Process(*arguments, "--port", 0, "--threads", 1, **more))
        return running[-1]

    yield begin
    for process in running:
        if process.child.poll() is None:
            process.child.kill()
        process.child.communicate()


def test_first_signal_drains_and_exits_0_and_the_log_is_json_without_texts(start):
    server = start().wait_ready()
    secret = "einhornmarmelade"
    assert server.get("/v1/classify", {"inputs": [secret]})[0] == 200
    assert server.get("/v1/classify", {"inputs": [secret], "x": 1})[0] == 400
    server.child.send_signal(signal.SIGTERM)
    assert server.child.wait(20) == 0
    events = server.events()
    requests = [e for e in events if e["event"] == "request" and e["route"] == "/v1/classify"]
    assert [e["status"] for e in requests] == [200, 400]
    assert requests[0]["model"] == "xnli"
    assert requests[0]["tokens"] > 0
    assert secret not in "".join(server.lines)


def test_drain_delay_says_unready_and_still_answers(start, bundles):
    server = start(bundles["xnli"], "--drain-delay", 1.5).wait_ready()
    server.child.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    status, answer = server.get("/health/ready")
    assert status == 503
    assert "shutting down" in answer["error"]["message"]
    assert server.get("/v1/classify", {"inputs": ["a"]})[0] == 200
    assert server.get("/health/live")[0] == 200
    assert server.child.wait(20) == 0


def test_second_signal_ends_at_once(start, bundles):
    server = start(bundles["xnli"], "--drain-delay", 60).wait_ready()
    server.child.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert server.child.poll() is None
    server.child.send_signal(signal.SIGTERM)
    assert server.child.wait(5) == 143


def test_a_full_stderr_pipe_stops_neither_answers_nor_the_end(bundles):
    """Nobody reads the log; the pipe holds 64 KiB."""
    child = subprocess.Popen(
        [sys.executable, "-m", "xlt", "serve", str(bundles["xnli"]), "--port", "0", "--threads",
         "1", "--no-warm-up"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        link = http.client.HTTPConnection("127.0.0.1", int(child.stdout.readline().rsplit(":")[-1]))
        link.timeout = 20
        for number in range(600):  # 300 bytes of log each, and more than the pipe takes
            body = json.dumps({"inputs": [f"a {number}"], "unknown": "x"})
            link.request("POST", "/v1/classify", body)
            reply = link.getresponse()
            assert reply.status == 400 and reply.read()
        link.request("GET", "/health/live")
        assert link.getresponse().read() == b'{"live":true}'
        link.close()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.communicate()


def test_log_lines_without_room_are_counted_and_left_out():
    reader, writer = os.pipe()
    handler = PipeHandler(writer, most=50)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("lines")
    logger.addHandler(handler)
    for number in range(5000):
        logger.warning("line %d %s", number, "x" * 200)
    read = b""
    while not handler.lines.empty():
        read += os.read(reader, 1 << 20)
    logger.warning("line last")
    while b"line last" not in read:
        read += os.read(reader, 1 << 20)
    lines = [json.loads(line) for line in read.decode().splitlines()]
    kept = [line["event"] for line in lines if line["event"].startswith("line ")]
    lost = sum(line["lines"] for line in lines if line["event"] == "log lines left out")
    assert kept[0].startswith("line 0 ") and kept[-1] == "line last"
    assert len(kept) - 1 + lost == 5000 and lost > 1000
    handler.flush()
    os.close(reader)
    os.close(writer)


def test_a_signal_that_logs_in_the_middle_of_logging_does_not_stop_the_server():
    """A SIGTERM that came at the wrong moment would have hung it."""
    reader, writer = os.pipe()
    handler = PipeHandler(writer)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("nested")
    logger.addHandler(handler)
    depth = []

    def nest(frame, event, argument):
        """Log once more at every line of the handler, as a signal could."""
        if frame.f_code.co_name == "emit" and not depth:
            depth.append(1)
            logger.warning("inner")
            depth.pop()
        return nest if frame.f_code.co_filename.endswith(("logs.py", "threading.py")) else None

    before = sys.gettrace()
    sys.settrace(nest)
    try:
        logger.warning("outer")
    finally:
        sys.settrace(before)
    handler.flush()
    read = os.read(reader, 1 << 16)
    assert b"outer" in read and b"inner" in read
    os.close(reader)
    os.close(writer)


OLD, NEW = "the-first-key-of-all", "the-key-that-follows"


def test_a_hangup_reads_keys_and_certificates_again(start, bundles, tmp_path):
    def issue(names):
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", common_name=names)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    def status(context, key):
        link = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
        try:
            link.request("GET", "/v1/models", headers={"x-api-key": key})
            return link.getresponse().status
        except ssl.SSLCertVerificationError:
            return None
        finally:
            link.close()

    def hang_up(number):
        server.child.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while (
            len(said := [e for e in server.events() if e["event"] == "files read again"]) < number
        ):
            assert time.monotonic() < deadline and server.child.poll() is None
            time.sleep(0.02)
        return said[-1]

    keys = tmp_path / "keys"
    keys.write_text(OLD)
    first = issue("one")
    both = tmp_path / "both.pem"
    server = start(bundles["xnli"], "--api-key-file", keys, "--tls-cert", both, "--tls-key", both)
    port = server.port
    assert (status(first, OLD), status(first, NEW)) == (200, 401)
    keys.write_text(NEW)
    second = issue("two")
    assert hang_up(1)["kept"] == []
    assert (status(second, NEW), status(second, OLD), status(first, NEW)) == (200, 401, None)
    keys.write_text("short")
    both.write_text("no certificate")
    said = hang_up(2)
    assert said["read"] == [] and len(said["kept"]) == 2
    assert (status(second, NEW), status(second, OLD)) == (200, 401)
    assert "short" not in str(said)
    server.child.send_signal(signal.SIGTERM)
    assert server.child.wait(20) == 0


def test_without_files_to_read_a_hangup_ends_the_server(start, bundles):
    server = start(bundles["xnli"])
    server.child.send_signal(signal.SIGHUP)
    assert server.child.wait(20) == -signal.SIGHUP


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_socket_that_is_passed_is_served(bundles, tmp_path, family):
    with socket.socket(family) as listening:
        listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "sock"))
        listening.listen()
        child = subprocess.Popen(
            [sys.executable, "-m", "xlt", "serve", str(bundles["xnli"]), "--fd",
             str(listening.fileno()), "--threads", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        where = listening.getsockname()
    try:
        said = child.stdout.readline().strip().removeprefix("serving on ")
        expected = f"http://127.0.0.1:{where[1]}" if family == socket.AF_INET else f"unix:{where}"
        assert said == expected
        with socket.socket(family) as link:
            link.settimeout(20)
            link.connect(where)
            link.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            received = b""
            while chunk := link.recv(4096):
                received += chunk
        assert received.endswith(b'{"live":true}')
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.communicate()


def test_a_descriptor_that_is_no_listening_socket_is_two_lines(run_xlt, bundles):
    found = run_xlt("serve", bundles["xnli"], "--fd", 77)
    assert found.returncode == 2
    assert "--fd 77" in found.stderr
    found = run_xlt("serve", bundles["xnli"], "--fd", 3, "--uds", "x")
    assert found.returncode == 2
    assert "--uds" in found.stderr


def test_a_taken_port_a_bad_model_and_several_mistakes_are_two_lines(run_xlt, bundles, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run_xlt("serve", bundles["xnli"], "--port", port)
    assert found.returncode == 2
    assert "cannot listen" in found.stderr
    found = run_xlt("serve", tmp_path)
    assert found.returncode == 4
    found = run_xlt("serve", f"a={bundles['xnli']}", f"a={bundles['panx']}", f"ü={bundles['panx']}")
    assert found.returncode == 2
    assert "2 mistakes" in found.stderr
    found = run_xlt("serve", bundles["xnli"], "--precision", "int8")
    assert found.returncode == 4
    assert "no int8 variant" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 2


def test_a_damaged_bundle_ends_the_server_with_4(run_xlt, bundles, tmp_path):
    import shutil

    copy = shutil.copytree(bundles["xnli"], tmp_path / "xnli")
    graph = copy / "onnx/model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    found = run_xlt("serve", copy, "--port", 0)
    assert found.returncode == 4
    assert "SHA-256" in found.stderr


def test_torch_and_transformers_are_never_imported():
    code = (
        "import sys, xlt.serve.command, xlt.serve.app.server, xlt.serve.routes.table\n"
        "from xlt.serve.settings import Settings\n"
        "xlt.serve.routes.table.operations(Settings())\n"
        "print(sorted({'torch', 'transformers', 'ray', 'faiss'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

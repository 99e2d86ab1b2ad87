"""`xlt serve` as a user starts it: address, signals, exit codes, JSON log."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest


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

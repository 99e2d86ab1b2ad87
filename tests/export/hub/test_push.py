"""xlt push against an endpoint of our own, with the hub's own client."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from xlt.core.errors import ModelError, UsageError
from xlt.export import export
from xlt.export.hub.push import push

TOKEN = "hf_" + "a" * 34


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as one commit needs; files come inline."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.answer({})

    def do_GET(self):
        self.server.asked.append(("GET", self.path))
        self.answer({"id": "org/tiny", "sha": "0" * 40, "siblings": []})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(("POST", self.path))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/repos/create":
            self.server.made = json.loads(body)
            self.answer({"url": f"{self.server.url}/org/tiny"})
        elif self.path == "/api/validate-yaml":
            self.server.card = json.loads(body)["content"]
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [entry["path"] for entry in json.loads(body)["files"]]
            files = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            self.answer({"files": files})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "header":
                    self.server.message = entry["value"]["summary"]
            url = f"{self.server.url}/org/tiny/commit/{'1' * 40}"
            self.answer({"commitUrl": url, "commitOid": "1" * 40, "success": True})
        else:
            self.answer({"error": "unknown"}, 404)


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.asked, server.files, server.made, server.message = [], {}, None, None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in (
        ("HF_ENDPOINT", server.url), ("HF_HUB_OFFLINE", "0"), ("HF_TOKEN", TOKEN),
        ("HF_HUB_DISABLE_XET", "1"), ("HF_HUB_DISABLE_PROGRESS_BARS", "1"), ("NO_PROXY", "*"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def bundle(checkpoints, tmp_path_factory):
    [made] = export(checkpoints(), out=tmp_path_factory.mktemp("push") / "tiny-nli")
    return made.path


def test_the_files_of_the_manifest_come_in_one_commit(hub, bundle, run_xlt):
    (bundle / "notes.txt").write_text("stays at home")
    done = run_xlt("push", bundle, "org/tiny", "--private", "--message", "first", "--json")
    (bundle / "notes.txt").unlink()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["url"].endswith("/org/tiny/commit/" + "1" * 40)
    manifest = json.loads((bundle / "xlt.json").read_text())
    assert sorted(hub.files) == sorted([*manifest["files"], "xlt.json"]) == sorted(told["files"])
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(hub.files[name]).hexdigest() == digest
    assert hub.made["private"] is True
    assert hub.message == "first"
    assert len([path for _, path in hub.asked if "/commit/" in path]) == 1
    assert re.match(r"---\nbase_model:", hub.card)


def test_a_token_that_may_not_write_is_exit_2(hub, bundle, run_xlt):
    done = run_xlt("push", bundle, "org/tiny", env={"HF_TOKEN": "hf_" + "b" * 34})
    assert done.returncode == 2, done.stderr
    assert "the hub refuses (401)" in done.stderr
    assert "hf auth login" in done.stderr
    assert hub.files == {}


def test_a_damaged_bundle_is_not_uploaded(hub, bundle, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        push(copy, "org/tiny")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "../x", "org/..", "/etc/x", ""])
def test_what_is_no_repository_s_name_is_exit_2(bundle, name):
    with pytest.raises(UsageError, match="not a repository of the hub"):
        push(bundle, name)


def test_offline_it_is_exit_4_and_a_dry_run_lists_the_files(bundle):
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        push(bundle, "org/tiny")  # offline, as all tests are
    planned = push(bundle, "hf:org/tiny", dry_run=True)
    assert planned.url is None
    assert {"xlt.json", "onnx/model.onnx", "README.md"} <= set(planned.files)

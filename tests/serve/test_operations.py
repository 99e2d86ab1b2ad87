"""Running a server: keys, admin routes, CORS, TLS, sockets, prefixes, ids, traces, metrics."""

import http.client
import json
import logging
import shutil
import socket
import ssl
import time

import openai
import pytest
import trustme
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from xlt.core.errors import UsageError
from xlt.serve import auth
from xlt.serve.app.server import Bind
from xlt.serve.app.tracing import OtelSpans
from xlt.serve.auth import Keys, read_keys

KEY, OTHER, ADMIN = "first-client-key-0123", "second-client-key-456", "admin-key-0123456789"


@pytest.fixture(scope="module")
def locked(run_server, bundles, tmp_path_factory):
    """A server with client keys, an admin key and a repository."""
    repository = tmp_path_factory.mktemp("repository")
    for name in ("xnli", "panx"):
        shutil.copytree(bundles[name], repository / name)
    shutil.copytree(bundles["xnli"], repository / "broken")
    (repository / "broken/onnx/model.onnx").write_bytes(b"no graph")
    shutil.copytree(bundles["xnli"], repository / "checkpoint")
    (repository / "checkpoint/xlt.json").unlink()
    running = run_server(
        {"xnli": bundles["xnli"], "encoder": bundles["encoder"]},
        keys=Keys([KEY, OTHER]),
        admin_keys=Keys([ADMIN]),
        repository=repository,
        cors=("https://example.org",),
    )
    yield running
    running.stop()


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong-key-0123456789"), bearer(""), {"authorization": KEY},
     {"authorization": f"Basic {KEY}"}, {"x-api-key": "ключ".encode().decode("latin-1")},
     bearer(ADMIN), {"authorization": "Bearer"}],
)  # fmt: skip
def test_wrong_or_missing_keys_are_401(locked, headers):
    for method, path in (("POST", "/v1/classify"), ("GET", "/v1/models"), ("POST", "/embed")):
        status, reply, answer = locked.call(method, path, {"inputs": ["a"]}, headers)
        assert status == 401
        assert reply["www-authenticate"].startswith("Bearer")
        assert answer["error"]


def test_every_key_opens_by_bearer_and_by_x_api_key(locked):
    for headers in (
        bearer(KEY),
        bearer(OTHER),
        {"x-api-key": KEY},
        {"authorization": f"bearer {KEY}"},
    ):
        assert locked.call("POST", "/v1/classify", {"inputs": ["a"]}, headers)[0] == 200
    client = openai.OpenAI(base_url=f"{locked.url}/v1", api_key="nothing-of-ours-0", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.embeddings.create(model="encoder", input="a")
    assert client.with_options(api_key=KEY).embeddings.create(model="encoder", input="a").data


def test_a_right_key_is_enough_beside_a_wrong_one(locked):
    """The openai client cannot help sending a bearer; gateways put in their own."""
    for right, wrong in ((KEY, "wrong-key-0123456789"), ("wrong-key-0123456789", KEY)):
        headers = {"x-api-key": right, **bearer(wrong)}
        assert locked.call("POST", "/v1/classify", {"inputs": ["a"]}, headers)[0] == 200
    headers = {"x-api-key": "wrong-key-0123456789", **bearer(ADMIN)}
    assert locked.call("POST", "/v1/classify", {"inputs": ["a"]}, headers)[0] == 401
    assert locked.call("DELETE", "/admin/models/xnli", None, {"x-api-key": KEY})[0] == 401


def test_probes_and_metrics_are_open(locked):
    for path in ("/health/live", "/health/ready", "/v2/health/live", "/metrics", "/docs", "/"):
        assert locked.call("GET", path)[0] == 200


def test_keys_never_show(locked, caplog):
    caplog.set_level(logging.DEBUG)
    locked.call("POST", "/v1/classify", {"inputs": ["a"]}, bearer(KEY))
    locked.call("POST", "/v1/classify", {"inputs": ["a"]}, bearer("wrong-key-0123456789"))
    texts = [str(record.__dict__) for record in caplog.records]
    texts += [str(locked.call("GET", path, None, bearer(KEY))) for path in ("/info", "/metrics")]
    assert not any(KEY in text or "wrong-key" in text for text in texts)


def test_all_digests_are_compared_in_constant_time(monkeypatch):
    compared = []
    real = auth.hmac.compare_digest
    monkeypatch.setattr(
        auth.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b)
    )
    keys = Keys([KEY, OTHER])
    keys.check({b"x-api-key": KEY.encode()})
    assert len(compared) == 2
    assert all(len(a) == len(b) == 32 for a, b in compared)


def test_keys_come_from_a_file_and_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text(f"# clients\n{KEY}\n\n  {OTHER}  \n")
    monkeypatch.setenv("XLT_TEST_KEYS", f"{ADMIN}, {ADMIN}x")
    keys = read_keys(path, "XLT_TEST_KEYS")
    for key in (KEY, OTHER, ADMIN):
        keys.check({b"x-api-key": key.encode()})
    path.write_text("short\n")
    with pytest.raises(UsageError, match="fewer than 16"):
        read_keys(path, "XLT_TEST_KEYS")
    path.write_text("# nothing\n")
    with pytest.raises(UsageError, match="holds no key"):
        read_keys(path, "XLT_TEST_KEYS")
    with pytest.raises(UsageError, match="cannot read"):
        read_keys(tmp_path / "nowhere", "XLT_TEST_KEYS")


def test_models_are_loaded_swapped_and_unloaded(locked):
    def admin(method, path, body=None):
        return locked.call(method, path, body, bearer(ADMIN))

    status, _, answer = admin("POST", "/admin/models", {"name": "tags", "bundle": "panx"})
    assert (status, answer["id"], answer["kind"]) == (200, "tags", "tag")
    tagged = locked.call("POST", "/v1/tag", {"inputs": ["a b"]}, bearer(KEY))
    assert (tagged[0], tagged[2]["model"]) == (200, "tags")
    created = answer["created"]
    status, _, answer = admin("POST", "/admin/models", {"name": "tags"})
    assert status == 200
    assert answer["created"] >= created
    assert admin("DELETE", "/admin/models/tags")[2]["deleted"]
    assert admin("DELETE", "/admin/models/tags")[0] == 404
    assert locked.call("POST", "/v1/tag", {"inputs": ["a b"]}, bearer(KEY))[0] == 404
    assert admin("POST", "/v2/repository/models/panx/load")[0] == 200
    assert admin("POST", "/v2/repository/models/panx/unload")[0] == 200


def test_a_damaged_model_does_not_replace_the_one_that_serves(locked):
    before = locked.app.state.models.table["xnli"]
    body = {"name": "xnli", "bundle": "broken"}
    status, _, answer = locked.call("POST", "/admin/models", body, bearer(ADMIN))
    assert (status, answer["error"]["code"]) == (422, "bad_model")
    assert locked.app.state.models.table["xnli"] is before
    assert locked.call("POST", "/v1/classify", {"inputs": ["a"]}, bearer(KEY))[0] == 200


def test_a_checkpoint_that_comes_over_http_is_not_exported(locked, tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    for name in ("checkpoint", "hf-model"):
        body = {"name": name, "bundle": "checkpoint"}
        status, _, answer = locked.call("POST", "/admin/models", body, bearer(ADMIN))
        assert (status, answer["error"]["code"]) == (422, "bad_model")
    assert not (tmp_path / "cache").exists()
    body = {"name": "e5", "bundle": "hf:somebody/tiny"}
    assert locked.call("POST", "/admin/models", body, bearer(ADMIN))[0] == 400


@pytest.mark.parametrize("name", ["../xnli", "..", ".", "a/b", "", "a\x00b", "/etc", "x" * 200])
def test_names_cannot_leave_the_repository(locked, name):
    for body in ({"name": name}, {"name": "x", "bundle": name}):
        status, _, answer = locked.call("POST", "/admin/models", body, bearer(ADMIN))
        assert status in (400, 404), answer


def test_admin_routes_want_the_admin_key_and_are_off_without_one(locked, server):
    for key in (KEY, "wrong-key-0123456789"):
        assert locked.call("POST", "/admin/models", {"name": "xnli"}, bearer(key))[0] == 401
        assert locked.call("DELETE", "/admin/models/xnli", None, bearer(key))[0] == 401
    assert server.call("POST", "/admin/models", {"name": "xnli"})[0] == 404
    assert server.call("POST", "/v2/repository/models/xnli/unload")[0] == 404


def test_cors_is_off_by_default_and_exact_with_keys_allowed(locked, server):
    preflight = {
        "origin": "https://example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    status, headers, _ = locked.call("OPTIONS", "/v1/classify", None, preflight)
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://example.org"
    assert "authorization" in headers["access-control-allow-headers"].lower()
    asked = {"origin": "https://example.org", **bearer(KEY)}
    for path, body in (("/v1/classify", {"inputs": ["a"]}), ("/v1/classify", {}), ("/nothing", {})):
        _, headers, _ = locked.call("POST", path, body, asked)
        assert headers["access-control-allow-origin"] == "https://example.org"
    _, headers, _ = locked.call(
        "POST", "/v1/classify", {"inputs": ["a"]}, {"origin": "https://example.com", **bearer(KEY)}
    )
    assert "access-control-allow-origin" not in headers
    _, headers, _ = server.call("GET", "/v1/models", None, {"origin": "https://example.org"})
    assert "access-control-allow-origin" not in headers


def test_preflights_are_counted_by_the_status_they_got(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]}, cors=("https://example.org",))
    asked = {"access-control-request-method": "POST"}
    for origin, status in (("https://example.org", 200), ("https://example.com", 400)):
        headers = {"origin": origin, **asked}
        assert server.call("OPTIONS", "/v1/classify", None, headers)[0] == status
        server.wait(lambda status=status: server.total("xlt_requests_total", status=str(status)))
    assert server.total("xlt_requests_total", status="499") == 0
    server.stop()


def test_request_ids_are_echoed_or_made_and_never_copied_when_odd(server):
    _, headers, _ = server.call("GET", "/v1/models", None, {"x-request-id": "abc-123.X"})
    assert headers["x-request-id"] == "abc-123.X"
    made = set()
    for odd in ("", "a b", "x" * 200, "é", '"}'):
        _, headers, _ = server.call("GET", "/v1/models", None, {"x-request-id": odd})
        assert headers["x-request-id"] != odd
        made.add(headers["x-request-id"])
    assert len(made) == 5
    _, headers, _ = server.call("GET", "/nothing", None, {"x-request-id": "on-errors-too"})
    assert headers["x-request-id"] == "on-errors-too"


def test_server_timing_and_trace_context(server):
    trace = "0af7651916cd43dd8448eb211c80319c"
    _, headers, _ = server.call(
        "POST", "/v1/classify", {"inputs": ["a"]},
        {"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )  # fmt: skip
    names = [part.split(";")[0].strip() for part in headers["server-timing"].split(",")]
    assert names == ["read", "tokenize", "queue", "infer", "post"]
    assert headers["traceparent"].split("-")[1] == trace


def test_spans_have_the_client_s_trace_and_no_text(run_server, bundles):
    exporter = InMemorySpanExporter()
    server = run_server({"xnli": bundles["xnli"]}, spans=OtelSpans(exporter))
    trace = "0af7651916cd43dd8448eb211c80319c"
    server.call(
        "POST", "/v1/classify", {"inputs": ["einhornmarmelade"]},
        {"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )  # fmt: skip
    server.stop()
    spans = exporter.get_finished_spans()
    root = next(span for span in spans if span.name == "POST /v1/classify")
    assert format(root.context.trace_id, "032x") == trace
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["xlt.model"] == "xnli"
    assert {span.name for span in spans} >= {"tokenize", "queue", "infer"}
    assert "einhorn" not in str([span.to_json() for span in spans])


def test_metrics_parse_before_the_first_request_and_have_zeros(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]})
    _, headers, text = server.call("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name for family in text_string_to_metric_families(text.decode())}
    assert {
        "xlt_requests", "xlt_request_duration_seconds", "xlt_stage_duration_seconds",
        "xlt_queue_requests", "xlt_queue_tokens", "xlt_batch_rows", "xlt_batch_tokens",
        "xlt_batch_padding_ratio", "xlt_input_tokens", "xlt_truncated_inputs", "xlt_rejected",
        "xlt_cancelled", "xlt_failed_rows", "xlt_model_ready", "xlt_worker_restarts",
        "xlt_build_info",
    } <= families  # fmt: skip
    assert server.total("xlt_model_ready", model="xnli") == 1
    assert server.total("xlt_worker_alive") == 1
    server.stop()


def test_metrics_and_docs_can_be_switched_off(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]}, metrics_on=False, docs=False)
    for path in ("/metrics", "/docs", "/openapi.json", "/"):
        assert server.call("GET", path)[0] == 404
    server.stop()


def test_ready_waits_for_the_models_while_live_answers(run_server, bundles, monkeypatch):
    from xlt.serve.compute.models import Models

    real = Models.load

    def slow(self, source):
        time.sleep(0.5)
        return real(self, source)

    monkeypatch.setattr(Models, "load", slow)
    server = run_server({"xnli": bundles["xnli"]}, ready=False)
    status, headers, answer = server.call("GET", "/health/ready")
    assert status == 503
    assert "xnli" in answer["error"]["message"]
    assert headers["retry-after"]
    assert server.call("GET", "/health/live")[0] == 200
    status, headers, answer = server.call("POST", "/v1/classify", {"inputs": ["a"]})
    assert (status, answer["error"]["code"]) == (503, "not_ready")
    assert server.call("GET", "/v2/health/ready")[0] == 503
    server.wait(lambda: server.call("GET", "/health/ready")[0] == 200)
    assert server.call("POST", "/v1/classify", {"inputs": ["a"]})[0] == 200
    server.stop()


def test_model_must_be_named_when_several_fit(run_server, bundles):
    server = run_server({"one": bundles["xnli"], "two": bundles["xnli"]})
    status, _, answer = server.call("POST", "/v1/classify", {"inputs": ["a"]})
    assert (status, answer["error"]["param"]) == (400, "model")
    assert "one, two" in answer["error"]["message"]
    assert server.post("/v1/classify", {"inputs": ["a"], "model": "two"})["model"] == "two"
    server.stop()


def test_tls(run_server, bundles, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    bind = Bind(port=0, certificate=certificate, key=key)
    server = run_server({"xnli": bundles["xnli"]}, bind=bind)
    assert server.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    link = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
    link.request("GET", "/health/ready")
    assert link.getresponse().status == 200
    link.close()
    server.stop()


def test_unix_socket(run_server, bundles, tmp_path):
    path = tmp_path / "xlt.sock"
    for _ in range(2):  # a socket that was left behind is replaced
        server = run_server({"xnli": bundles["xnli"]}, bind=Bind(uds=path))
        assert server.url == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(path))
            link.sendall(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert link.recv(100).startswith(b"HTTP/1.1 200")
        server.stop()


def test_a_socket_file_of_a_dead_server_is_taken_over_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "xlt.sock"
    with Bind(uds=path).open() as listening:
        with pytest.raises(UsageError, match="a server listens there"):
            Bind(uds=path).open()
        assert listening.getsockname() == str(path)
    assert path.is_socket()  # closing leaves the file
    Bind(uds=path).open().close()


def test_ipv6(run_server, bundles):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = run_server({"xnli": bundles["xnli"]}, bind=Bind(host="::1", port=0))
    except UsageError:
        pytest.skip("no IPv6 address here")
    assert server.url.startswith("http://[::1]:")
    link = http.client.HTTPConnection("::1", server.port, timeout=10)
    link.request("GET", "/health/ready")
    assert link.getresponse().status == 200
    link.close()
    server.stop()


def test_root_path_is_in_the_url_and_the_document(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]}, root_path="/xlt")
    assert server.url.endswith("/xlt")
    assert server.call("GET", "/health/ready")[0] == 200  # a proxy has taken the prefix off
    assert server.call("GET", "/openapi.json")[2]["servers"] == [{"url": "/xlt"}]
    status, _, answer = server.call("POST", "/v1/classify", {"inputs": ["a"]})
    assert status == 200
    assert json.dumps(answer)
    server.stop()

"""One bad row, one late or vanished client, one dead worker: nobody else pays."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from xlt.core.tasks.examples import Pair
from xlt.serve.limits import Limits


@pytest.fixture
def server(run_server, bundles):
    running = run_server({name: bundles[name] for name in ("xnli", "encoder")})
    yield running
    running.stop()


@pytest.mark.parametrize("bomb", ["nanbomb", "a crashbomb"])
def test_a_poison_row_fails_alone_and_its_31_neighbours_succeed(server, engines, bomb):
    texts = [f"the cat {i:02d}" for i in range(31)] + [bomb]
    batches = server.total("xlt_batch_rows_count")
    with ThreadPoolExecutor(33) as pool:
        with server.app.state.models.device_lock:
            first = pool.submit(server.call, "POST", "/v1/classify", {"inputs": ["x"]})
            server.wait(lambda: server.computing)
            asked = [
                pool.submit(server.call, "POST", "/v1/classify", {"inputs": [text]})
                for text in texts
            ]
            server.wait(lambda: server.queued == 32)
        answers = [future.result() for future in asked]
        assert first.result()[0] == 200
    assert [status for status, _, _ in answers] == [200] * 31 + [500]
    assert server.total("xlt_batch_rows_count") - batches < 20  # they were batched
    for text, (_, _, answer) in zip(texts[:-1], answers[:-1], strict=True):
        (expected,) = engines["xnli"].predict([Pair(id="", text_a=text)])
        assert list(answer["data"][0]["scores"].values()) == expected.probabilities.tolist()
    assert server.total("xlt_failed_rows_total") == 1
    for _ in range(100):
        assert server.call("POST", "/v1/classify", {"inputs": ["the dog"]})[0] == 200


def test_a_late_request_gets_504_and_is_never_computed(server):
    rows = server.total("xlt_batch_rows_sum")
    with ThreadPoolExecutor(2) as pool, server.app.state.models.device_lock:
        first = pool.submit(server.call, "POST", "/v1/classify", {"inputs": ["x"]})
        server.wait(lambda: server.computing)
        status, headers, answer = server.call(
            "POST", "/v1/classify", {"inputs": ["a", "b"]}, {"x-request-timeout-ms": "50"}
        )
    assert status == 504
    assert answer["error"]["code"] == "deadline"
    assert int(headers["retry-after"]) >= 1
    assert first.result()[0] == 200
    assert server.total("xlt_batch_rows_sum") == rows + 1
    assert server.total("xlt_cancelled_total", reason="deadline") == 1


def test_rows_of_a_client_that_left_are_not_computed(server):
    rows = server.total("xlt_batch_rows_sum")
    with ThreadPoolExecutor(2) as pool:
        with server.app.state.models.device_lock:
            first = pool.submit(server.call, "POST", "/v1/classify", {"inputs": ["x"]})
            server.wait(lambda: server.computing)
            link = http.client.HTTPConnection("127.0.0.1", server.port)
            link.request("POST", "/v1/classify", json.dumps({"inputs": ["a"] * 50}))
            server.wait(lambda: server.queued == 50)
            link.close()
            server.wait(lambda: server.queued == 0)
            assert server.waiting == 1
        assert first.result()[0] == 200
    assert server.total("xlt_batch_rows_sum") == rows + 1
    assert server.total("xlt_cancelled_total", reason="disconnect") == 1


def test_a_dead_worker_is_reported_restarted_and_fails_only_what_it_held(server):
    model = server.app.state.models.table["xnli"]
    session = model.engine.session

    class Deadly:
        inputs, outputs, device = session.inputs, session.outputs, session.device

        def run(self, feeds, outputs):
            object.__setattr__(model.engine, "session", session)
            raise SystemExit("the worker is killed")

    object.__setattr__(model.engine, "session", Deadly())
    started = time.monotonic()
    status, headers, answer = server.call("POST", "/v1/classify", {"inputs": ["a"]})
    assert (status, answer["error"]["code"]) == (500, "worker_died")
    assert time.monotonic() - started < 2
    assert int(headers["retry-after"]) >= 1
    assert server.call("GET", "/health/ready")[0] == 503
    assert server.call("GET", "/health/live")[0] == 200
    server.wait(lambda: server.call("GET", "/health/ready")[0] == 200)
    assert server.call("POST", "/v1/classify", {"inputs": ["a"]})[0] == 200
    assert server.total("xlt_worker_restarts_total") == 1


def test_requests_that_wait_survive_the_worker_s_death(server):
    model = server.app.state.models.table["xnli"]
    session = model.engine.session
    entered, go = threading.Event(), threading.Event()

    class Deadly:
        inputs, outputs, device = session.inputs, session.outputs, session.device

        def run(self, feeds, outputs):
            object.__setattr__(model.engine, "session", session)
            entered.set()
            go.wait(10)
            raise SystemExit("the worker is killed")

    object.__setattr__(model.engine, "session", Deadly())
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(server.call, "POST", "/v1/classify", {"inputs": ["a"]})
        assert entered.wait(10)
        others = [
            pool.submit(server.call, "POST", "/v1/classify", {"inputs": [f"b {i}"]})
            for i in range(8)
        ]
        server.wait(lambda: server.queued == 8)
        go.set()
        assert first.result()[0] == 500
        assert [future.result()[0] for future in others] == [200] * 8


def test_a_worker_that_keeps_dying_ends_the_server_with_an_error(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]})
    model = server.app.state.models.table["xnli"]
    session = model.engine.session

    class Deadly:
        inputs, outputs, device = session.inputs, session.outputs, session.device

        def run(self, feeds, outputs):
            raise SystemExit("again")

    object.__setattr__(model.engine, "session", Deadly())
    server.app.state.scheduler.worker.rest_seconds = 0.01
    for _ in range(20):
        if server.app.fatal is not None:
            break
        try:
            assert server.call("POST", "/v1/classify", {"inputs": ["a"]})[0] in (500, 503)
        except ConnectionError:
            break
    server.thread.join(20)
    assert not server.thread.is_alive()
    assert "worker" in server.app.fatal.message


class Panic(BaseException):
    """What the tokenizer's own code raises when it is broken; it is no `Exception`."""


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/embeddings", {"input": "a"}), ("/tokenize", {"inputs": "a"})]
)
def test_a_panic_of_the_tokenizer_is_an_error_at_once(server, monkeypatch, path, body):
    def panic(*arguments, **flags):
        raise Panic("secret")

    engine = server.app.state.models.table["encoder"].engine
    started = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(type(engine), "encode_rows", panic)
        patch.setattr(type(engine.encoder), "tokenizer", property(panic), raising=False)
        status, _, answer = server.call("POST", path, body)
    assert status == 500, answer
    assert "secret" not in str(answer)
    assert time.monotonic() - started < 5
    assert server.call("POST", "/v1/embeddings", {"input": "a"})[0] == 200


@pytest.fixture
def busy_text_threads(server):
    """A server whose tokeniser threads are all taken until the event is set."""
    go, taken = threading.Event(), threading.Semaphore(0)
    threads = server.app.state.scheduler.threads

    def hold():
        taken.release()
        go.wait(20)

    for _ in threads.threads:
        threads.submit(hold)
    for _ in threads.threads:
        assert taken.acquire(timeout=20)
    yield server, go
    go.set()


def test_long_bodies_are_tokenised_beside_short_ones(server):
    """One that takes its thread for long holds no short one up."""
    threads = server.app.state.scheduler.long_threads
    go, taken = threading.Event(), threading.Event()

    def hold():
        taken.set()
        go.wait(20)

    threads.submit(hold)
    assert taken.wait(10)
    try:
        with ThreadPoolExecutor(1) as pool:
            long = {"inputs": ["a b " * 40_000], "truncate": "right"}
            asked = pool.submit(server.call, "POST", "/v1/classify", long)
            server.wait(lambda: server.waiting == 1)
            assert server.call("POST", "/v1/classify", {"inputs": ["a"]})[0] == 200
            assert not asked.done()
            go.set()
            assert asked.result(20)[0] == 200
    finally:
        go.set()


def test_a_long_body_that_takes_its_thread_for_long_holds_no_other_long_one_up(server):
    threads = server.app.state.scheduler.long_threads
    go, taken = threading.Event(), threading.Event()

    def hold():
        taken.set()
        go.wait(20)

    threads.submit(hold)
    assert taken.wait(10)
    try:
        for path, body in (
            ("/v1/classify", {"inputs": ["a b " * 40_000], "truncate": "right"}),
            ("/tokenize", {"inputs": "a b " * 20_000, "model": "xnli"}),
        ):
            assert server.call("POST", path, body)[0] == 200
    finally:
        go.set()


def test_a_long_text_to_tokenise_does_not_stop_the_event_loop(server, monkeypatch):
    """The route goes by the call of the tokenizer that lets other threads run."""
    engine = server.app.state.models.table["xnli"].engine
    real, asked = engine.encoder.tokenizer, []

    class Noting:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(real, name)

    monkeypatch.setattr(
        type(engine.encoder), "tokenizer", property(lambda _: Noting()), raising=False
    )
    server.post("/tokenize", {"inputs": "a b", "model": "xnli"})
    assert "encode_batch" in asked and "encode" not in asked


def test_what_cannot_be_done_in_time_is_refused_at_once(run_server, bundles):
    running = run_server({"xnli": bundles["xnli"]}, limits=Limits(request_seconds=10.0))
    model = running.app.state.models.table["xnli"]
    model.pace = replace(model.pace, seconds_per_token=1.0)
    status, _, answer = running.call("POST", "/v1/classify", {"inputs": ["a b c d e f g h i j"]})
    assert (status, answer["error"]["code"]) == (413, "too_many_tokens")
    assert "--request-seconds" in answer["error"]["message"]
    assert running.call("POST", "/v1/classify", {"inputs": ["a"]})[0] == 200


def test_who_is_not_ready_closes_its_connections(run_server, bundles):
    running = run_server({"encoder": bundles["encoder"]})
    running.app.state.draining = True
    for path in ("/health/ready", "/v2/health/ready"):
        status, headers, _ = running.call("GET", path)
        assert (status, headers["connection"]) == (503, "close")
        assert int(headers["retry-after"]) >= 1


def test_tokenize_has_a_deadline(busy_text_threads):
    server, _ = busy_text_threads
    headers = {"x-request-timeout-ms": "100"}
    status, _, answer = server.call("POST", "/tokenize", {"inputs": "a"}, headers)
    assert (status, answer["error_type"]) == (504, "Backend")
    assert "x-request-timeout-ms" in answer["error"]
    headers = {"x-request-timeout-ms": "soon"}
    assert server.call("POST", "/tokenize", {"inputs": "a"}, headers)[0] == 422
    assert server.waiting == 0


def test_tokenize_of_a_client_that_left_is_never_done(busy_text_threads, monkeypatch):
    server, go = busy_text_threads
    asked = []
    monkeypatch.setattr(
        "xlt.serve.routes.tei.tokens._tokens", lambda *parts: asked.append(parts) or []
    )
    link = http.client.HTTPConnection("127.0.0.1", server.port)
    link.request("POST", "/tokenize", json.dumps({"inputs": "a"}))
    server.wait(lambda: server.waiting == 1)
    link.close()
    server.wait(lambda: server.waiting == 0)
    go.set()
    server.wait(lambda: server.total("xlt_requests_total", route="/tokenize", status="499") == 1)
    assert server.call("POST", "/tokenize", {"inputs": "b"})[0] == 200
    assert [parts[1] for parts in asked] == ["b"]


def test_requests_in_flight_are_answered_when_the_server_ends(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]})
    server.slow(0.02)
    with ThreadPoolExecutor(50) as pool:
        with server.app.state.models.device_lock:
            asked = [
                pool.submit(server.call, "POST", "/v1/classify", {"inputs": [f"a {i}"] * 3})
                for i in range(50)
            ]
            server.wait(lambda: server.waiting == 50)
            server.server.end_now()
            server.wait(lambda: not server.server.servers[0].is_serving())
        assert [future.result()[0] for future in asked] == [200] * 50
    server.thread.join(20)
    assert not server.thread.is_alive()


def test_a_stuck_model_does_not_keep_the_server_from_ending(run_server, bundles):
    server = run_server({"xnli": bundles["xnli"]}, limits=Limits(drain_seconds=1.0))
    with ThreadPoolExecutor(1) as pool, server.app.state.models.device_lock:
        asked = pool.submit(server.call, "POST", "/v1/classify", {"inputs": ["a"]})
        server.wait(lambda: server.waiting == 1)
        started = time.monotonic()
        server.server.end_now()
        server.thread.join(20)
        assert not server.thread.is_alive()
        assert time.monotonic() - started < 8
        status, _, answer = asked.result()
        assert (status, answer["error"]["code"]) == (503, "draining")

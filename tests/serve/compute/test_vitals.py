"""A model that fails on everything makes the server unready; bad inputs, however many, do not."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.serve.app import frame as serving
from xlt.serve.compute.vitals import FAILURES, RowFault, Vitals

FAULT = RowFault("model_error", "no")
GOOD = {"logits": np.zeros(3)}


def broken():
    raise ValueError("a private text")


def not_finite():
    return [{"logits": np.array([1.0, np.nan])}]


def healthy():
    return [GOOD]


@pytest.mark.parametrize(
    ("run", "why"), [(broken, "ValueError"), (not_finite, "NaN or infinite numbers")]
)
def test_only_failures_without_a_success_between_count(run, why, caplog):
    caplog.set_level(logging.INFO, "xlt.serve")
    vitals = Vitals("m")
    for _ in range(3):
        vitals.note([FAULT] * (FAILURES - 1), run)
        assert vitals.reason is None
        vitals.note([GOOD], run)
    for _ in range(FAILURES):
        vitals.note([FAULT], run)
    assert vitals.reason.startswith("model 'm' fails: 20 inputs in a row") and why in vitals.reason
    assert "private" not in vitals.reason
    vitals.note([FAULT] * 100, run)
    vitals.check(run)
    assert [r.levelname for r in caplog.records] == ["ERROR"]  # said once
    vitals.note([FAULT, GOOD], run)
    assert vitals.reason is None
    assert [r.levelname for r in caplog.records] == ["ERROR", "INFO"]


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=40), max_size=60))
def test_a_model_that_does_a_plain_text_is_never_failing(batches):
    vitals = Vitals("m")
    asked = []

    def run():
        asked.append("plain")
        return healthy()

    for batch in batches:
        vitals.note([GOOD if good else FAULT for good in batch], run)
        assert vitals.reason is None
    assert FAILURES * len(asked) <= sum(not good for batch in batches for good in batch)


class Spoilt:
    """A session that fails on everything, from now on."""

    def __init__(self, model, *, raises):
        self.inner, self.raises = model.engine.session, raises

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def run(self, feeds, outputs):
        if self.raises:
            raise RuntimeError("the device is gone")
        found = self.inner.run(feeds, outputs)
        return [np.full_like(array, np.nan) for array in found]


def put(model, session):
    object.__setattr__(model.engine, "session", session)


@pytest.fixture
def start(run_server, bundles, monkeypatch):
    """Start a server with two models that asks failing ones every so many seconds."""
    started = []

    def run(seconds):
        monkeypatch.setattr(serving, "CHECK_SECONDS", seconds)
        started.append(run_server({name: bundles[name] for name in ("xnli", "encoder")}))
        return started[-1]

    yield run
    for server in started:
        server.stop()


def classify(server, texts):
    return server.call("POST", "/v1/classify", {"inputs": texts})[0]


@pytest.mark.parametrize("raises", [True, False])
def test_a_broken_model_is_reported_and_its_first_success_ends_it(start, raises, caplog):
    caplog.set_level(logging.INFO, "xlt.serve")
    server = start(1000)
    model = server.app.state.models.table["xnli"]
    session = model.engine.session
    put(model, Spoilt(model, raises=raises))
    assert [classify(server, ["the cat"]) for _ in range(FAILURES - 1)] == [500] * 19
    assert server.call("GET", "/health/ready")[0] == 200
    assert classify(server, ["the cat"]) == 500
    server.wait(lambda: server.app.state.ready is not None)
    status, headers, answer = server.call("GET", "/health/ready")
    assert (status, answer["error"]["code"]) == (503, "not_ready")
    assert "'xnli' fails: 20 inputs in a row" in answer["error"]["message"]
    assert int(headers["retry-after"]) >= 1
    assert server.call("GET", "/health/live")[0] == 200
    assert server.call("GET", "/v2/health/ready")[0] == 503
    assert server.call("GET", "/v2/models/xnli/ready")[0] == 503
    assert server.call("GET", "/v2/models/encoder/ready")[0] == 200
    states = {m["name"]: m for m in server.call("POST", "/v2/repository/index")[2]}
    assert states["xnli"]["state"] == "UNAVAILABLE" and "fails" in states["xnli"]["reason"]
    assert states["encoder"]["state"] == "READY"
    assert server.total("xlt_model_ready", model="xnli") == 0
    assert server.total("xlt_model_ready", model="encoder") == 1
    assert server.total("xlt_failed_rows_total", model="xnli") == FAILURES  # the probe is not there
    assert server.call("POST", "/v1/embeddings", {"input": "the cat"})[0] == 200
    assert server.app.state.ready is not None  # another model's success is not this one's
    assert classify(server, ["the cat"] * 30) == 500
    put(model, session)
    assert classify(server, ["the cat"]) == 200
    server.wait(lambda: server.app.state.ready is None)
    assert server.call("GET", "/v2/models/xnli/ready")[0] == 200
    assert server.total("xlt_model_ready", model="xnli") == 1
    said = [r.getMessage() for r in caplog.records if "'xnli'" in r.getMessage()]
    assert len(said) == 2


def test_a_model_that_recovers_is_ready_again_without_a_request(start):
    server = start(0.02)
    model = server.app.state.models.table["xnli"]
    session = model.engine.session
    put(model, Spoilt(model, raises=True))
    assert classify(server, ["the cat"] * FAILURES) == 500
    server.wait(lambda: server.app.state.ready is not None)
    put(model, session)
    server.wait(lambda: server.app.state.ready is None)


@pytest.mark.parametrize("bomb", ["nanbomb", "a crashbomb"])
def test_bad_inputs_alone_never_make_a_server_unready(start, bomb, caplog):
    server = start(1000)
    for _ in range(5):
        assert classify(server, [bomb] * 30) == 500
        assert server.app.state.ready is None
    assert classify(server, [bomb] * 99 + ["the cat"]) == 200
    assert server.call("GET", "/health/ready")[0] == 200
    assert server.total("xlt_model_ready") == 2
    assert not [r for r in caplog.records if "plain text" in r.getMessage()]


def test_failed_token_vectors_count_for_the_same_model(start):
    server = start(1000)
    model = server.app.state.models.table["encoder"]
    for served in (model, model.by_token):
        put(served, Spoilt(served, raises=True))
    assert server.call("POST", "/embed_all", {"inputs": ["the cat"] * FAILURES})[0] == 424
    server.wait(lambda: server.app.state.ready is not None)
    assert "'encoder' fails" in server.call("GET", "/health")[2]["error"]["message"]

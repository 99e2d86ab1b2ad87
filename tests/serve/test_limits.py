"""Admission by requests, bytes, tokens and time; the warm-up's choice of a batch size."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import ModelError
from xlt.core.kinds.table import KINDS
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.sources import Loading, Source, find_sources, split_argument
from xlt.serve.compute.warmup import tune
from xlt.serve.errors import Problem, headers_of
from xlt.serve.http.logs import JsonFormatter
from xlt.serve.limits import OLDEST, Admission, Limits, clamp_timeout


def enter(admission, tokens, n_bytes=10):
    ticket = admission.enter(n_bytes)
    try:
        admission.weigh(ticket, tokens)
    except Problem:
        admission.leave(ticket)
        raise
    return ticket


def test_books_are_balanced_whatever_becomes_of_a_request():
    admission = Admission(Limits(queue_requests=3, queue_tokens=100))
    first, second = enter(admission, 60), enter(admission, 40)
    with pytest.raises(Problem) as caught:
        enter(admission, 1)
    assert caught.value.status == 429
    assert len(admission.tickets) == 2
    admission.computed(first, 50)
    third = enter(admission, 50)
    for ticket in (first, second, third, third):
        admission.leave(ticket)
    admission.computed(first, 10)
    assert (admission.tokens, admission.n_bytes, admission.tickets) == (0, 0, set())


def test_each_bound_names_its_flag():
    limits = Limits(queue_requests=1, queue_bytes=50, queue_tokens=100)
    admission = Admission(limits)
    with pytest.raises(Problem, match="--queue-tokens") as caught:
        enter(admission, 101)
    assert caught.value.status == 413
    enter(admission, 1, n_bytes=200)  # alone, a request may be larger than the queue's bytes
    with pytest.raises(Problem, match="--queue-requests"):
        admission.enter(1)
    admission = Admission(Limits(queue_bytes=50))
    enter(admission, 1, n_bytes=40)
    with pytest.raises(Problem, match="--queue-bytes"):
        admission.enter(11)


def test_who_would_wait_too_long_is_refused_but_a_short_request_passes_a_long_one():
    admission = Admission(Limits(queue_seconds=10.0))
    admission.rate = 100.0  # tokens a second
    enter(admission, 5000)  # 50 s, and nobody before it
    enter(admission, 12)  # takes turns with it: 0.12 s
    with pytest.raises(Problem, match="--queue-seconds") as caught:
        enter(admission, 4000)
    headers = dict(headers_of(caught.value))
    assert 1 <= int(headers["retry-after"]) <= 120
    for _ in range(50):
        enter(admission, 12)
    with pytest.raises(Problem, match="--queue-seconds"):
        [enter(admission, 12) for _ in range(20)]


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 5000)), max_size=12))
def test_the_wait_is_that_of_fair_turns(requests):
    admission = Admission(Limits(queue_seconds=1e9, queue_tokens=1 << 40))
    admission.rate = OLDEST
    held = []
    for tokens, computed in requests:
        held.append(enter(admission, tokens))
        admission.computed(held[-1], computed)
        for asked in (1, 12, tokens):
            exact = sum(min(ticket.left, 2 * asked) for ticket in held)
            assert exact <= admission.wait_of(asked) + 1e-6 <= 2 * exact + 1e-5
    for ticket in held:
        admission.leave(ticket)
    assert admission.sizes == [[0, 0]] * 64


@pytest.mark.parametrize(("value", "seconds"), [(None, 60), ("50", 0.05), ("9999999", 60)])
def test_timeouts_are_the_client_s_within_the_server_s(value, seconds):
    assert clamp_timeout(value, Limits()) == seconds


@pytest.mark.parametrize("name", ["xnli", "csqa", "panx", "xquad", "encoder"])
def test_warm_up_finds_a_batch_size_and_a_speed_for_every_kind(bundles, name):
    models = Models(Loading(device="cpu", threads=1, warm_up=False), Metrics())
    served = models.load(Source(name=name, path=bundles[name]))
    pace = tune(served, None)
    assert 64 <= pace.budget <= 512
    assert 0 < pace.seconds_per_token < 1
    assert 0 <= pace.fixed_tokens <= 512
    assert tune(served, 100).budget == 100
    assert tune(served, 4096).budget == 4096
    assert (served.dimensions == 16) == (name == "encoder")
    assert served.kind in KINDS


def test_widths_that_the_vectors_do_not_have_are_refused(make_bundle):
    models = Models(Loading(device="cpu", threads=1, warm_up=False), Metrics())
    folder = make_bundle("encoder", dimensions=[8, 32])
    with pytest.raises(ModelError, match="16 dimensions and cannot be cut to 32"):
        models.load(Source(name="encoder", path=folder))


def test_the_gauge_of_a_name_follows_the_model_that_has_it(bundles):
    metrics = Metrics()
    models = Models(Loading(device="cpu", threads=1, warm_up=False), metrics)

    def ready(task):
        return metrics.registry.get_sample_value("xlt_model_ready", {"model": "m", "task": task})

    models.put(models.load(Source(name="m", path=bundles["xnli"])))
    assert (ready("xnli"), ready("panx")) == (1, None)
    models.put(models.load(Source(name="m", path=bundles["panx"])))
    assert (ready("xnli"), ready("panx")) == (None, 1)
    models.remove("m")
    assert (ready("xnli"), ready("panx")) == (None, None)


def test_arguments_name_models(bundles, tmp_path):
    assert split_argument("a=b") == ("a", tmp_path.__class__("b"))
    odd = tmp_path / "x=y"
    odd.mkdir()
    assert split_argument(str(odd)) == ("", odd)
    folder = bundles["xnli"].parent
    found = {source.name: source for source in find_sources([str(folder)], {})}
    assert set(found) == set(bundles)
    (one,) = find_sources([f"mine={bundles['xnli']}"], {"": "fp32"})
    assert (one.name, one.precision) == ("mine", "fp32")
    with pytest.raises(ModelError, match="no int8 variant"):
        find_sources([f"mine={bundles['xnli']}"], {"mine": "int8"})


def test_log_lines_hold_no_message_of_a_foreign_error():
    def line(error):
        try:
            raise error
        except type(error):
            record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
        return json.loads(JsonFormatter().format(record))

    found = line(KeyError("einhornmarmelade"))
    assert "einhorn" not in str(found)
    assert found["exception"].startswith("KeyError at test_limits.py")
    assert "no graph" in line(ModelError("no graph"))["exception"]

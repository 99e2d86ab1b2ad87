"""Hostile input: a fixed status, JSON in the route's dialect, never a 5xx, and the server lives."""

import gzip
import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from xlt.serve.limits import Limits

OPENAI, TEI = "/v1/embeddings", "/embed"
DIGITS = b"9" * 10_000
BIG = "a" * 1_000_000

BODIES = [  # name, body for OpenAI's route, its status, TEI's status with `inputs`
    ("empty body", b"", 400, 422),
    ("blank body", b"  \n", 400, 422),
    ("no JSON", b"hello", 400, 422),
    ("cut off", b'{"input": "a"', 400, 422),
    ("two documents", b'{"input": "a"}{}', 400, 422),
    ("byte order mark", b'\xef\xbb\xbf{"input": "a"}', 400, 422),
    ("UTF-16", '{"input": "a"}'.encode("utf-16"), 400, 422),
    ("invalid UTF-8", b'{"input": "\xff\xfe"}', 400, 422),
    ("lone surrogate", b'{"input": "\\ud800"}', 400, 422),
    ("NaN", b'{"input": NaN}', 400, 422),
    ("Infinity", b'{"input": [Infinity]}', 400, 422),
    ("nesting", b"[" * 100_000, 400, 422),
    ("nesting inside", b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, 422),
    ("huge integer", b'{"input": [' + DIGITS + b"]}", 400, 422),
    ("huge exponent", b'{"input": [1e999999]}', 400, 422),
    ("list for an object", b'["a"]', 400, 422),
    ("null document", b"null", 400, 422),
    ("null input", b'{"input": null}', 400, 422),
    ("number", b'{"input": 5}', 400, 422),
    ("boolean ids", b'{"input": [true, false]}', 400, 422),
    ("fractions", b'{"input": [1.5]}', 400, 422),
    ("negative id", b'{"input": [-1]}', 400, 422),
    ("id out of range", b'{"input": [[1000000]]}', 400, 422),
    ("mixture", b'{"input": ["a", 1]}', 400, 422),
    ("nested texts", b'{"input": [["a"]]}', 400, 422),
    ("empty text", b'{"input": ""}', 400, 400),
    ("empty text in a list", b'{"input": ["a", ""]}', 400, 400),
    ("empty list", b'{"input": []}', 400, 400),
    ("empty ids", b'{"input": [[]]}', 400, 400),
    ("2049 texts", json.dumps({"input": ["a"] * 2049}).encode(), 400, 422),
    ("no input", b"{}", 400, 422),
    ("white space", b'{"input": "   "}', 200, 200),
    ("NUL", b'{"input": "a\\u0000b"}', 200, 200),
    ("doubled key", b'{"input": "a", "input": "b"}', 200, 200),
    ("2048 texts", json.dumps({"input": ["a"] * 2048}).encode(), 200, 200),
    ("one word of 1 MB", json.dumps({"input": BIG}).encode(), 200, 200),
    ("1 MB of blanks", json.dumps({"input": " " * 1_000_000}).encode(), 200, 200),
    ("right to left", json.dumps({"input": "\u202eשלום\u202c العالم"}).encode(), 200, 200),
    ("joined emoji", json.dumps({"input": "👩‍👩‍👧‍👦" * 20}).encode(), 200, 200),
    ("unassigned", json.dumps({"input": "\U000e0fff\uffff\ufffe"}).encode(), 200, 200),
    ("combining", json.dumps({"input": "a" + "\u0301" * 5000}).encode(), 200, 200),
]


@pytest.mark.parametrize(("body", "status"), [(b, s) for _, b, s, _ in BODIES],
                         ids=[name for name, *_ in BODIES])  # fmt: skip
def test_openai_route(server, body, status):
    found, headers, answer = server.call("POST", OPENAI, body)
    assert found == status, answer
    assert headers["content-type"] == "application/json"
    if status != 200:
        assert set(answer["error"]) == {"message", "type", "param", "code"}
        assert answer["error"]["type"] == "invalid_request_error"
        assert "Traceback" not in answer["error"]["message"]
        assert len(answer["error"]["message"]) < 600


@pytest.mark.parametrize(("body", "status"), [(b, s) for _, b, _, s in BODIES],
                         ids=[name for name, *_ in BODIES])  # fmt: skip
def test_tei_route(server, body, status):
    body = body.replace(b'"input"', b'"inputs"')
    found, headers, answer = server.call("POST", TEI, body)
    assert found == status, answer
    assert headers["content-type"] == "application/json"
    if status != 200:
        assert set(answer) == {"error", "error_type"}
        assert answer["error_type"] == ("Empty" if status == 400 else "Validation")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/classify", {"inputs": [{"text": "a", "textpair": "b"}]}, "inputs"),
        ("/v1/classify", {"inputs": []}, "inputs"),
        ("/v1/classify", {"inputs": "a"}, "inputs"),
        ("/v1/classify", {"inputs": ["a"], "trunc": 1}, "trunc"),
        ("/v1/classify", {"inputs": ["a"], "truncate": "middle"}, "truncate"),
        ("/v1/classify", {"inputs": ["a"], "model": 5}, "model"),
        ("/v1/classify", {"inputs": ["a"] * 2049}, "inputs"),
        ("/v1/choose", {"inputs": [{"prompt": "a", "choices": ["b"]}]}, "inputs"),
        ("/v1/choose", {"inputs": [{"prompt": "a", "choices": ["b"] * 65}]}, "inputs"),
        ("/v1/tag", {"inputs": [["a", ""]]}, "inputs"),
        ("/v1/tag", {"inputs": ["a"], "aggregation": "mean"}, "aggregation"),
        ("/v1/answer", {"inputs": [{"question": "a", "context": ""}]}, "inputs"),
        ("/v1/answer", {"inputs": [{"question": "a", "context": "b"}], "top_k": 0}, "top_k"),
        ("/v1/answer", {"inputs": [{"question": "a", "context": "b"}], "top_k": True}, "top_k"),
        ("/v1/rerank", {"query": "", "documents": ["a"]}, "query"),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "top_n": 0}, "top_n"),
        ("/v1/bitext", {"sources": ["a"], "targets": ["a"], "k": 0}, "k"),
        ("/v1/bitext", {"sources": ["a"]}, "targets"),
        ("/v1/embeddings", {"input": "a", "dimensions": 10**40}, "dimensions"),
        ("/v1/embeddings", {"input": "a", "dimensions": "8"}, "dimensions"),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ("/v1/embeddings", {"input": "a", "model": ""}, "model"),
    ],
)
def test_bad_fields_are_named(server, path, body, param):
    status, _, answer = server.call("POST", path, body)
    assert status == (404 if body.get("model") == "" else 400), answer
    assert answer["error"]["param"] == param


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "a", LONG: 1}),
        ("/v1/embeddings", {"input": "a", "encoding_format": LONG}),
        ("/v1/embeddings", {"input": "a", "model": LONG}),
        ("/v1/classify", {"inputs": ["a"], "truncate": LONG}),
        ("/v1/classify", {"inputs": [{"text": "a", LONG: "b"}]}),
        ("/embed", {"inputs": "a", "prompt_name": LONG}),
        ("/embed", {"inputs": "a", "truncation_direction": LONG}),
        ("/v2/models/encoder/infer", {"inputs": [], "outputs": [{"name": LONG}]}),
        ("/v2/models/encoder/infer", {"inputs": [{"name": LONG, "shape": [1], "datatype": "B"}]}),
        ("/v2/models/encoder/infer", {"inputs": [], LONG: 1, "id": 5}),
    ],
)
def test_long_mistakes_are_not_said_again(server, path, body):
    status, _, answer = server.call("POST", path, body)
    assert 400 <= status < 500
    assert len(json.dumps(answer)) < 1500


def test_lists_hold_2048_texts_together(server):
    for path, body in (
        ("/v1/similarity", {"sources": ["a"] * 1025, "targets": ["b"] * 1024}),
        ("/v1/bitext", {"sources": ["a"] * 2048, "targets": ["b"]}),
        ("/v1/rerank", {"query": "a", "documents": ["b"] * 2048}),
    ):
        status, _, answer = server.call("POST", path, body)
        assert (status, answer["error"]["code"]) == (400, "too_many_items")


def test_a_text_of_a_megabyte_is_split_into_words_while_probes_are_answered(server):
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.call, "POST", "/v1/tag", {"inputs": ["a " * 500_000]})
        while not asked.done():
            assert server.call("GET", "/health/live", timeout=2)[0] == 200
    assert asked.result()[0] in (200, 413)


@pytest.mark.parametrize("length", [508, 509, 510, 511, 512, 513, 514, 600, 5120])
@pytest.mark.parametrize("form", ["alone", "short first", "long first"])
def test_lengths_around_the_model_s_limit_never_fail(server, engines, length, form):
    ids = [5 + i % 300 for i in range(length)]
    inputs = {"alone": [ids], "short first": [[7], ids], "long first": [ids, [7]]}[form]
    answer = server.post(OPENAI, {"input": inputs, "token_ids": True})
    expected = sum(min(len(entry) + 2, 512) for entry in inputs)
    assert answer["usage"]["prompt_tokens"] == expected
    place = inputs.index(ids)
    assert answer["data"][place].get("truncated", False) == (length > 510)


def test_bodies_over_the_limit_are_413_before_they_are_read(server):
    limit = Limits().body_bytes
    head = f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\ncontent-length: {limit + 1}\r\n\r\n"
    started = time.monotonic()
    received = server.raw(head.encode())  # nothing of the body is sent
    assert received.startswith(b"HTTP/1.1 413")
    assert b"--body-bytes" in received
    assert str(limit).encode() in received
    assert b"connection: close" in received.lower()
    assert time.monotonic() - started < 5


def test_a_client_that_sends_its_whole_20_mb_still_reads_the_413(server):
    status, _, answer = server.call("POST", OPENAI, b"x" * 20_000_000)
    assert status == 413
    assert answer["error"]["code"] == "body_too_large"


def test_chunked_bodies_are_counted_as_they_come(server):
    head = f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    received = server.raw(head + chunk * 40 + b"0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413")


def test_gzip_is_read_and_bombs_are_bounded(server, engines):
    headers = {"content-encoding": "gzip"}
    plain = json.dumps({"input": "the cat"}).encode()
    assert server.call("POST", OPENAI, gzip.compress(plain), headers)[0] == 200
    bomb = gzip.compress(b" " * (50 << 20))
    status, _, answer = server.call("POST", OPENAI, bomb, headers)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")
    status, _, answer = server.call("POST", OPENAI, b"no gzip", headers)
    assert (status, answer["error"]["code"]) == (400, "invalid_gzip")
    status, _, _ = server.call("POST", OPENAI, gzip.compress(plain)[:-4], headers)
    assert status == 400
    status, _, answer = server.call("POST", OPENAI, plain, {"content-encoding": "br"})
    assert (status, answer["error"]["code"]) == (415, "unsupported_encoding")


def codings(plain):
    """Each coding that is taken, with a body in it."""
    half = len(plain) // 2
    members = gzip.compress(plain[:half]) + gzip.compress(b"") + gzip.compress(plain[half:])
    raw = zlib.compressobj(wbits=-15)
    return [
        ("gzip", members),
        ("x-gzip", gzip.compress(plain)),
        ("X-GZip", members),
        ("deflate", zlib.compress(plain)),
        ("deflate", raw.compress(plain) + raw.flush()),
        ("identity", plain),
    ]


def test_bodies_in_several_gzip_members_x_gzip_and_deflate_are_read(server):
    plain = json.dumps({"input": "the cat"}).encode()
    right = server.post(OPENAI, plain)
    for coding, body in codings(plain):
        assert server.post(OPENAI, body, **{"content-encoding": coding}) == right, coding


def test_bombs_and_broken_bodies_are_bounded_in_every_coding(server):
    bomb = b" " * (3 << 20)
    for coding, body in codings(bomb)[:-1]:
        status, _, answer = server.call("POST", OPENAI, body, {"content-encoding": coding})
        assert (status, answer["error"]["code"]) == (413, "body_too_large"), coding
    plain = json.dumps({"input": "the cat"}).encode()
    for coding, body in codings(plain)[:-1]:
        for broken in (body[:-3], body + b"x", b"{}"):
            status, _, answer = server.call("POST", OPENAI, broken, {"content-encoding": coding})
            code = "invalid_deflate" if coding == "deflate" else "invalid_gzip"
            assert (status, answer["error"]["code"]) == (400, code), (coding, broken)
    many = gzip.compress(b"") * 5000
    status, _, answer = server.call("POST", OPENAI, many, {"content-encoding": "gzip"})
    assert (status, answer["error"]["code"]) == (400, "invalid_gzip")
    status, _, answer = server.call("POST", OPENAI, plain, {"content-encoding": "gzip, gzip"})
    assert status == 415


@pytest.mark.parametrize("value", ["0", "-5", "nan", "soon", "", "1e400x"])
def test_a_timeout_that_is_no_positive_number_is_400(server, value):
    status, _, answer = server.call("POST", OPENAI, {"input": "a"}, {"x-request-timeout-ms": value})
    assert (status, answer["error"]["param"]) == (400, "x-request-timeout-ms")


def test_unknown_paths_and_methods(server):
    status, _, answer = server.call("GET", "/v1/nothing?text=secret")
    assert (status, answer["error"]["code"]) == (404, "not_found")
    status, headers, answer = server.call("GET", OPENAI)
    assert (status, headers["allow"]) == (405, "POST")
    status, headers, answer = server.call("DELETE", TEI)
    assert (status, set(answer)) == (405, {"error", "error_type"})
    status, _, answer = server.call("GET", "/v2/nothing")
    assert (status, set(answer)) == (404, {"error"})
    assert server.call("OPTIONS", OPENAI)[0] == 405
    status, _, body = server.call("HEAD", "/v1/models")
    assert (status, body) == (200, b"")


def test_series_do_not_grow_with_paths_and_model_names(server):
    def series():
        _, _, text = server.call("GET", "/metrics")
        return text.count(b"\n")

    server.call("GET", "/x")
    server.call("GET", "/metrics")
    server.call("POST", OPENAI, {"input": "a", "model": "x"})
    server.call("GET", "/v1/models/x")
    before = series()
    for i in range(300):
        server.call("GET", f"/x{i}")
        server.call("POST", OPENAI, {"input": "a", "model": f"x{i}"})
        server.call("GET", f"/v1/models/x{i}")
    assert series() == before

"""Bodies that cohere 7.3.1's client sends, v1 and v2, and what it reads of the answers."""

import base64

import numpy as np
import pytest

SDK = {"X-Fern-SDK-Name": "cohere"}
TEXTS = ["the cat", "der Hund schläft ツ"]
DOCUMENTS = ["a dog", "the cat"]


def test_embed_v1_gives_floats_unless_types_are_named(server, engines):
    body = {"texts": TEXTS, "model": "encoder", "input_type": "search_document", "truncate": "END"}
    answer = server.post("/v1/embed", body, **SDK)
    assert (answer["response_type"], answer["texts"]) == ("embeddings_floats", TEXTS)
    expected = engines["encoder"].embed(TEXTS)
    assert np.array_equal(np.array(answer["embeddings"], np.float32), expected)
    typed = server.post("/v1/embed", {**body, "embedding_types": ["float"]}, **SDK)
    assert typed["response_type"] == "embeddings_by_type"
    assert typed["embeddings"] == {"float": answer["embeddings"]}


def test_embed_v2_by_type_from_texts_or_inputs(server, engines):
    body = {
        "model": "encoder",
        "input_type": "search_query",
        "embedding_types": ["float", "base64"],
    }
    answer = server.post("/v2/embed", {**body, "texts": TEXTS}, **SDK)
    expected = engines["encoder"].embed(TEXTS)
    assert np.array_equal(np.array(answer["embeddings"]["float"], np.float32), expected)
    for text, vector in zip(answer["embeddings"]["base64"], expected, strict=True):
        assert np.array_equal(np.frombuffer(base64.b64decode(text), "<f4"), vector)
    inputs = [{"content": [{"type": "text", "text": text}]} for text in TEXTS]
    same = server.post("/v2/embed", {**body, "inputs": inputs}, **SDK)
    assert same["embeddings"] == answer["embeddings"]
    short = server.post("/v2/embed", {**body, "texts": TEXTS, "output_dimension": 4}, **SDK)
    assert np.array(short["embeddings"]["float"]).shape == (2, 4)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("documents", [DOCUMENTS, [{"text": text} for text in DOCUMENTS]], ids=str)
def test_rerank_gives_documents_as_objects(server, path, documents):
    body = {"model": "encoder", "query": "the cat", "documents": documents, "top_n": 1}
    (found,) = server.post(path, {**body, "return_documents": True}, **SDK)["results"]
    assert (found["index"], found["document"]) == (1, {"text": "the cat"})
    (bare,) = server.post(path, body, **SDK)["results"]
    assert "document" not in bare


@pytest.mark.parametrize(
    "fields",
    [{"embedding_types": ["int8"]}, {"images": ["data:"]}, {"input_type": "image"},
     {"output_dimension": 5}, {"truncate": "MIDDLE"}, {"texts": None}, {"max_tokens": 2},
     {"inputs": [{"content": [{"type": "text", "text": "a"}]}]}],
    ids=str,
)  # fmt: skip
def test_what_is_not_offered_is_refused_in_cohere_s_words(server, fields):
    status, _, answer = server.call("POST", "/v2/embed", {"texts": TEXTS, **fields}, SDK)
    assert status == 400
    assert set(answer) == {"message"}


def test_max_tokens_cuts(server):
    long = "the cat " * 400
    body = {"texts": [long], "max_tokens": 7, "truncate": "END"}
    assert server.post("/v2/embed", body, **SDK)["meta"]["billed_units"] == {"input_tokens": 7}
    status, _, _ = server.call("POST", "/v2/embed", {"texts": [long], "truncate": "NONE"}, SDK)
    assert status == 400

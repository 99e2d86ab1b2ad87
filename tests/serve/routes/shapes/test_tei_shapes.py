"""Bodies of haystack's (huggingface-api-haystack 3.1.0) and llama-index's (0.6.0) TEI parts."""

import numpy as np
import pytest

TEXTS = ["the cat", "der Hund schläft ツ"]


def test_haystack_s_embedders_ask_for_vectors_that_are_not_scaled(server):
    body = {"inputs": TEXTS, "normalize": False, "truncate": True}
    raw = np.array(server.post("/?model=encoder", body))
    unit = np.array(server.post("/?model=encoder", {**body, "normalize": True}))
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert not np.allclose(norms, 1)
    np.testing.assert_allclose(raw / norms, unit, atol=1e-6)
    one = server.post("/?model=encoder", {**body, "inputs": TEXTS[0]})
    np.testing.assert_array_equal(one, raw[:1])


@pytest.mark.parametrize("raw_scores", [False, True])
def test_haystack_s_ranker(server, raw_scores):
    body = {"query": "the cat", "texts": ["a dog", "the cat"], "raw_scores": raw_scores}
    answer = server.post("/rerank", body)
    assert [set(entry) for entry in answer] == [{"index", "score"}] * 2
    assert answer[0]["index"] == 1 and answer[0]["score"] == pytest.approx(1.0)


def test_llama_index_s_embedder(server):
    body = {"inputs": TEXTS, "truncate": True}
    assert server.post("/embed", body) == server.post("/embed", {"inputs": TEXTS})


def test_llama_index_s_reranker_gets_a_score_for_every_text(server):
    answer = server.post("/rerank", {"query": "the cat", "texts": ["a dog", "the cat", "a dog"]})
    assert sorted(entry["index"] for entry in answer) == [0, 1, 2]

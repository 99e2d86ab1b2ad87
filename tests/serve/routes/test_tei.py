"""The routes of text-embeddings-inference, in its shapes, and with Hugging Face's own client."""

from itertools import accumulate

import numpy as np
import pytest

from xlt.core.tasks.examples import Pair
from xlt.serve.limits import Limits

TEXTS = ["the cat", "der Hund schläft ツ"]


def predicted(engine, pairs):
    found = engine.predict([Pair(id="", text_a=a, text_b=b) for a, b in pairs])
    return [
        sorted(
            zip(label.probabilities.tolist(), engine.task.labels, strict=True), key=lambda x: -x[0]
        )
        for label in found
    ]


def as_pairs(answer):
    return [(entry["score"], entry["label"]) for entry in answer]


def test_embed_is_always_a_list_of_vectors(server, engines):
    expected = engines["encoder"].embed(TEXTS)
    assert np.array_equal(np.array(server.post("/embed", {"inputs": TEXTS}), np.float32), expected)
    one = server.post("/embed", {"inputs": TEXTS[0], "normalize": True, "prompt_name": None})
    assert np.array_equal(np.array(one, np.float32), expected[:1])
    ids = engines["encoder"].encoder.tokenizer.encode(TEXTS[0]).ids
    for form in (ids, [ids]):
        found = np.array(server.post("/embed", {"inputs": form}), np.float32)
        assert np.array_equal(found, expected[:1])
    cut = np.array(server.post("/embed", {"inputs": TEXTS, "dimensions": 4}))
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)


def test_embed_all_is_the_last_hidden_state_of_every_token(server, engines):
    engine = engines["encoder"]
    answer = server.post("/embed_all", {"inputs": TEXTS})
    for text, vectors, pooled in zip(TEXTS, answer, engine.embed(TEXTS), strict=True):
        found = np.array(vectors, np.float32)
        (row,) = engine.encode_rows([text])
        feeds = {"input_ids": row.ids[None], "attention_mask": np.ones_like(row.ids[None])}
        (hidden,) = engine.session.run(feeds, ["last_hidden_state"])
        assert found.shape == (row.width, hidden.shape[2])  # special tokens are there
        assert np.array_equal(found, hidden[0])
        mean = found.mean(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), pooled, atol=1e-6)
    one = server.post("/embed_all", {"inputs": TEXTS[0], "prompt_name": None, "normalize": True})
    assert one == answer[:1]
    ids = engine.encoder.tokenizer.encode(TEXTS[0]).ids
    assert server.post("/embed_all", {"inputs": ids}) == answer[:1]
    assert server.post("/embed_all", {"inputs": [ids, ids]}) == answer[:1] * 2


def test_embed_all_truncates_as_embed_does(server):
    long = " ".join(["the cat"] * 400) + " x"
    left = server.post("/embed_all", {"inputs": long, "truncation_direction": "left"})
    right = server.post("/embed_all", {"inputs": long})
    limit = server.call("GET", "/info")[2]["max_input_length"]
    assert len(left[0]) == len(right[0]) == limit
    assert left != right
    status, headers, answer = server.call("POST", "/embed_all", {"inputs": long, "truncate": False})
    assert (status, answer["error_type"]) == (422, "Validation")
    headers = server.call("POST", "/embed_all", {"inputs": [long, "a"]})[1]
    assert headers["x-xlt-truncated"] == "1"


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"inputs": "nanbomb"}, 424, "Backend"),
        ({"inputs": ["a", "a crashbomb"]}, 424, "Backend"),
        ({"inputs": []}, 400, "Empty"),
        ({"inputs": ""}, 400, "Empty"),
        ({"inputs": [10**6]}, 422, "Validation"),
        ({"inputs": ["a", [1]]}, 422, "Validation"),
        ({"inputs": "a", "prompt_name": "query"}, 422, "Validation"),
        ({"inputs": "a", "model": "xnli"}, 422, "Validation"),
        ({"inputs": [[5] * 255] * 70}, 413, "Validation"),
    ],
)
def test_embed_all_refuses_in_tei_s_words(server, body, status, kind):
    found, _, answer = server.call("POST", "/embed_all", body)
    assert (found, answer["error_type"]) == (status, kind), answer


def test_embed_all_of_a_graph_without_token_vectors_says_so(run_server, make_bundle):
    server = run_server({"encoder": make_bundle("encoder", pooled=True)})
    assert len(server.post("/embed", {"inputs": "the cat"})) == 1
    status, _, answer = server.call("POST", "/embed_all", {"inputs": "the cat"})
    assert (status, answer["error_type"]) == (422, "Validation")
    assert "last_hidden_state" in answer["error"]
    server.stop()


def test_vectors_that_would_not_be_what_was_asked_for_are_refused_uncomputed(server):
    before = server.total("xlt_batch_rows_sum")
    for body in ({"dimensions": 5}, {"dimensions": 0}, {"dimensions": 17}):
        status, _, answer = server.call("POST", "/embed", {"inputs": "the cat", **body})
        assert (status, answer["error_type"]) == (422, "Validation")
        assert next(iter(body)) in answer["error"]
    assert server.total("xlt_batch_rows_sum") == before
    assert len(server.post("/embed", {"inputs": "the cat", "normalize": None})) == 1


def test_normalize_false_gives_the_pooled_vectors_before_they_are_scaled(server, engines):
    raw = np.array(server.post("/embed", {"inputs": TEXTS, "normalize": False}))
    hidden = server.post("/embed_all", {"inputs": TEXTS})
    for vector, tokens in zip(raw, hidden, strict=True):
        np.testing.assert_allclose(vector, np.mean(tokens, axis=0), rtol=1e-6, atol=1e-7)
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert not np.allclose(norms, 1)
    np.testing.assert_allclose(raw / norms, engines["encoder"].embed(TEXTS), atol=1e-6)
    short = server.post("/embed", {"inputs": TEXTS, "normalize": False, "dimensions": 4})
    assert np.array_equal(np.array(short), raw[:, :4])


def test_normalize_false_of_a_graph_that_scales_by_itself_says_so(run_server, make_bundle):
    server = run_server({"encoder": make_bundle("encoder", pooled=True, pooling=None)})
    status, _, answer = server.call("POST", "/embed", {"inputs": "the cat", "normalize": False})
    assert (status, answer["error_type"]) == (422, "Validation")
    assert "length 1" in answer["error"]
    server.stop()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rerank", {"query": "a", "texts": []}),
        ("/rerank", {"query": "", "texts": ["a"]}),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}),
        ("/tokenize", {"inputs": []}),
        ("/decode", {"ids": []}),
        ("/predict", {"inputs": []}),
    ],
)
def test_empty_inputs_are_400_empty_everywhere(server, path, body):
    status, _, answer = server.call("POST", path, body)
    assert (status, answer["error_type"]) == (400, "Empty"), answer


def test_a_list_that_is_too_long_is_not_called_empty(server):
    status, _, answer = server.call("POST", "/tokenize", {"inputs": ["a"] * 2049})
    assert (status, answer["error_type"]) == (422, "Validation")


def test_tokens_of_one_answer_are_bounded_as_those_of_a_request(run_server, bundles):
    server = run_server({"encoder": bundles["encoder"]}, limits=Limits(queue_tokens=700))
    (tokens,) = server.post("/tokenize", {"inputs": "a b " * 100})
    assert 200 < len(tokens) <= 350
    assert len(server.post("/tokenize", {"inputs": ["a b " * 100] * 2})) == 2
    for inputs in ("a b " * 500, ["a b " * 100] * 4):
        status, _, answer = server.call("POST", "/tokenize", {"inputs": inputs})
        assert (status, answer["error_type"]) == (413, "Validation")
        assert "--queue-tokens" in answer["error"]
    server.stop()


def test_hugging_face_s_client_works_by_address(server, engines):
    import requests
    from huggingface_hub import InferenceClient, utils

    configure_http_backend = getattr(utils, "configure_http_backend", None)
    if configure_http_backend is None:
        pytest.skip("this huggingface_hub has another HTTP client, which the tests keep offline")
    configure_http_backend(requests.Session)  # the tests' default allows no connection at all
    try:
        found = InferenceClient().feature_extraction(TEXTS[0], model=f"{server.url}/embed")
    finally:
        configure_http_backend()
    assert np.array_equal(found, engines["encoder"].embed(TEXTS[:1]))


def test_two_strings_are_one_pair_and_lists_are_a_batch(server, engines):
    single = server.post("/predict", {"inputs": "the cat"})
    assert as_pairs(single) == predicted(engines["xnli"], [("the cat", None)])[0]
    pair = server.post("/predict", {"inputs": TEXTS})
    assert as_pairs(pair) == predicted(engines["xnli"], [tuple(TEXTS)])[0]
    batch = server.post("/predict", {"inputs": [["the cat"], TEXTS]})
    expected = predicted(engines["xnli"], [("the cat", None), tuple(TEXTS)])
    assert [as_pairs(entry) for entry in batch] == expected


def test_raw_scores_are_logits(server, engines):
    answer = server.post("/predict", {"inputs": "the cat", "raw_scores": True})
    engine = engines["xnli"]
    (output,) = engine.run(engine.encode_rows([Pair(id="", text_a="the cat")]))
    logits = dict(zip(engine.task.labels, output["logits"].tolist(), strict=True))
    assert {entry["label"]: entry["score"] for entry in answer} == logits
    scores = [entry["score"] for entry in answer]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("inputs", [["a", "b", "c"], [["a", "b", "c"]], [[]], [["a"], "b"]])
def test_other_numbers_of_texts_are_refused(server, inputs):
    status, _, answer = server.call("POST", "/predict", {"inputs": inputs})
    assert status == 422
    assert answer["error_type"] == "Validation"


def test_rerank_and_similarity(server, engines):
    texts = ["der Hund", "the cat", "under the table"]
    ranked = server.post("/rerank", {"query": "the cat", "texts": texts, "return_text": True})
    assert ranked[0]["index"] == 1
    assert ranked[0]["text"] == "the cat"
    assert sorted(entry["index"] for entry in ranked) == [0, 1, 2]
    body = {"inputs": {"source_sentence": "the cat", "sentences": texts}}
    scores = server.post("/similarity", body)
    x, y = engines["encoder"].embed(["the cat"]), engines["encoder"].embed(texts)
    np.testing.assert_allclose(scores, (y.astype(float) @ x[0].astype(float)), atol=1e-7)


def test_tokenize_and_decode_are_each_other_s_inverse(server):
    text = "der Hund, schläft ツ!"
    (tokens,) = server.post("/tokenize", {"inputs": text})
    assert [t["special"] for t in tokens] == [True, *[False] * (len(tokens) - 2), True]
    assert tokens[0]["start"] is None
    for token in tokens[1:-1]:
        assert text[token["start"] : token["stop"]] == token["text"]
    assert server.post("/decode", {"ids": [t["id"] for t in tokens]}) == [text]
    plain = server.post("/tokenize", {"inputs": [text], "add_special_tokens": False})
    assert plain == [tokens[1:-1]]
    kept = server.post("/decode", {"ids": [[0, 2]], "skip_special_tokens": False})
    assert kept == ["<s></s>"]


FAMILY = "👩\u200d👩\u200d👧"


def test_tokens_of_tokenize_cut_no_grapheme(server):
    text = f"cafe\u0301 {FAMILY}🇩🇪 น้ำ"
    edges = {0, *accumulate(map(len, ["c", "a", "f", "e\u0301", " ", FAMILY, "🇩🇪", " ", "น้ำ"]))}
    (tokens,) = server.post("/tokenize", {"inputs": text, "add_special_tokens": False})
    assert {place for token in tokens for place in (token["start"], token["stop"])} <= edges
    assert all(text[token["start"] : token["stop"]] == token["text"] for token in tokens)


def test_truncation_follows_tei_s_two_fields(server):
    long = " ".join(["the cat"] * 400)
    assert len(server.post("/embed", {"inputs": long})) == 1
    left = server.post("/embed", {"inputs": long + " x", "truncation_direction": "left"})
    right = server.post("/embed", {"inputs": long + " x", "truncation_direction": "Right"})
    assert left != right
    status, _, answer = server.call("POST", "/embed", {"inputs": long, "truncate": False})
    assert (status, answer["error_type"]) == (422, "Validation")


def test_info_and_the_model_s_own_failures(server):
    info = server.call("GET", "/info")[2]
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert info["max_client_batch_size"] == 2048
    other = server.call("GET", "/info?model=xnli")[2]
    named = other["model_type"]["classifier"]
    assert named["label2id"] == {"entailment": 0, "neutral": 1, "contradiction": 2}
    assert named["id2label"] == {"0": "entailment", "1": "neutral", "2": "contradiction"}
    status, _, answer = server.call("POST", "/embed", {"inputs": "nanbomb"})
    assert (status, answer["error_type"]) == (424, "Backend")
    status, _, answer = server.call("POST", "/embed", {"inputs": "a", "prompt_name": "query"})
    assert status == 422

"""Our own routes give what the engine gives offline, to the last bit, in the inputs' order."""

import json

import numpy as np
import pytest

from xlt.core.retrieval import mining
from xlt.core.tasks.examples import Choice, Pair, Question, Tagged

GERMAN = ["der Hund schläft", "die Katze wärmt sich am Ofen", "unter dem Tisch"]
ENGLISH = ["the dog sleeps", "the cat sat on the mat", "under the table"]
LONG = " ".join(f"the dog {i} sat on the mat" for i in range(200))


def test_classify_gives_the_engine_s_probabilities_for_pairs_and_single_texts(server, engines):
    answer = server.post(
        "/v1/classify",
        {"inputs": [{"text": "the cat", "text_pair": "der Hund"}, {"text": "собака"}, "the mat"]},
    )
    items = [
        Pair(id="0", text_a="the cat", text_b="der Hund"),
        Pair(id="1", text_a="собака"),
        Pair(id="2", text_a="the mat"),
    ]
    for entry, expected in zip(answer["data"], engines["xnli"].predict(items), strict=True):
        assert entry["label"] == expected.label
        assert list(entry["scores"].values()) == expected.probabilities.tolist()
        assert entry["score"] == max(entry["scores"].values())
    assert [entry["index"] for entry in answer["data"]] == [0, 1, 2]
    assert answer["model"] == "xnli"


def test_choose_takes_different_numbers_of_choices_in_one_request(server, engines):
    inputs = [
        {"prompt": "the cat", "choices": ["sat", "slept on the mat", "x"]},
        {"prompt": "der Hund", "choices": ["schläft", "läuft"]},
    ]
    answer = server.post("/v1/choose", {"inputs": inputs})
    items = [Choice(id="", prompt=i["prompt"], choices=tuple(i["choices"])) for i in inputs]
    for entry, item in zip(answer["data"], items, strict=True):
        (expected,) = engines["csqa"].predict([item])
        assert entry["choice"] == expected.index
        assert entry["text"] == item.choices[expected.index]
        assert entry["scores"] == expected.probabilities.tolist()


def test_tag_of_words_equals_the_engine_and_a_text_is_split_with_places(server, engines):
    text = "Ada Lovelace, Köln!"
    words = ["Ada", "Lovelace", ",", "Köln", "!"]
    answer = server.post("/v1/tag", {"inputs": [words, text], "aggregation": "none"})
    (expected,) = engines["panx"].predict([Tagged(id="", words=tuple(words))])
    for entry in answer["data"]:
        assert [word["tag"] for word in entry["words"]] == list(expected.tags)
        assert [word["score"] for word in entry["words"]] == expected.scores.tolist()
        assert [word["word"] for word in entry["words"]] == words
        assert "entities" not in entry
    for word in answer["data"][1]["words"]:
        assert text[word["start"] : word["end"]] == word["word"]
    assert "start" not in answer["data"][0]["words"][0]


def test_tagged_words_and_entities_cut_no_grapheme(server):
    text = "Ada 👩\u200d👩\u200d👧 🇩🇪🇫🇷 cafe\u0301 か\u3099き"
    words = server.post("/v1/tag", {"inputs": [text]})["data"][0]["words"]
    assert [word["word"] for word in words] == [
        "Ada", "👩\u200d👩\u200d👧", "🇩🇪", "🇫🇷", "cafe\u0301", "か\u3099", "き",
    ]  # fmt: skip
    assert all(text[word["start"] : word["end"]] == word["word"] for word in words)


def test_tag_keeps_every_word_of_a_sentence_longer_than_the_model(server, engines):
    words = LONG.split()
    answer = server.post("/v1/tag", {"inputs": [words]})
    (expected,) = engines["panx"].predict([Tagged(id="", words=tuple(words))])
    assert [word["tag"] for word in answer["data"][0]["words"]] == list(expected.tags)


@pytest.mark.parametrize("context", ["the cat slept on the mat\u2028ünder ツ", LONG])
def test_answers_are_slices_of_their_context(server, engines, context):
    item = {"question": "who slept?", "context": context}
    answer = server.post("/v1/answer", {"inputs": [item], "top_k": 5})["data"][0]
    (expected,) = engines["xquad"].predict([Question(id="", **item)])
    assert answer["answerable"]
    assert [a["text"] for a in answer["answers"]] == [s.text for s in expected.n_best[:5]]
    assert [a["score"] for a in answer["answers"]] == [s.score for s in expected.n_best[:5]]
    for found in answer["answers"]:
        assert context[found["start"] : found["end"]] == found["text"]


def test_similarity_is_the_cosine_matrix(server, engines):
    answer = server.post("/v1/similarity", {"sources": GERMAN, "targets": ENGLISH[:2]})
    x, y = engines["encoder"].embed(GERMAN), engines["encoder"].embed(ENGLISH[:2])
    np.testing.assert_allclose(answer["scores"], x.astype(float) @ y.astype(float).T, atol=1e-7)
    alone = server.post("/v1/similarity", {"sources": GERMAN})["scores"]
    np.testing.assert_allclose(np.diag(alone), 1.0, atol=1e-6)


def test_rerank_puts_the_query_s_own_text_first_and_cuts_at_top_n(server):
    documents = [*GERMAN, "the cat", *ENGLISH]
    body = {"query": "the cat", "documents": documents, "top_n": 2, "return_documents": True}
    answer = server.post("/v1/rerank", body)
    first, second = answer["results"]
    assert (first["index"], first["document"]) == (3, "the cat")
    assert first["relevance_score"] == pytest.approx(1.0)
    assert second["relevance_score"] <= first["relevance_score"]


@pytest.mark.parametrize("retrieval", mining.RETRIEVALS)
def test_bitext_gives_what_mining_gives(server, engines, retrieval):
    body = {"sources": GERMAN, "targets": ENGLISH, "k": 2, "retrieval": retrieval}
    answer = server.post("/v1/bitext", body)
    expected = mining.candidates(
        engines["encoder"].embed(GERMAN),
        engines["encoder"].embed(ENGLISH),
        texts_x=GERMAN,
        texts_y=ENGLISH,
        k=2,
        retrieval=retrieval,
    )
    found = {(m["source"], m["target"]): m["score"] for m in answer["matches"]}
    assert found == {(pair.i, pair.j): pytest.approx(pair.score, abs=1e-6) for pair in expected}
    scores = [match["score"] for match in answer["matches"]]
    assert scores == sorted(scores, reverse=True)


def test_truncated_inputs_are_marked_and_counted(server):
    body = json.dumps({"inputs": [LONG, "short"]}).encode()
    status, headers, answer = server.call("POST", "/v1/classify", body)
    assert status == 200
    assert answer["data"][0]["truncated"] is True
    assert "truncated" not in answer["data"][1]
    assert headers["x-xlt-truncated"] == "1"


def test_truncate_left_keeps_the_end_and_error_refuses(server, engines):
    cut = server.post("/v1/similarity", {"sources": ["end " + LONG], "truncate": "left"})
    assert cut["truncated"] == 1
    left = server.post("/v1/embeddings", {"input": LONG + " end", "truncate": "left"})
    right = server.post("/v1/embeddings", {"input": LONG + " end"})
    assert left["data"] != right["data"]
    vector = np.array(right["data"][0]["embedding"], np.float32)
    assert np.array_equal(vector, engines["encoder"].embed([LONG + " end"])[0])
    status, _, answer = server.call("POST", "/v1/embeddings", {"input": LONG, "truncate": "error"})
    assert status == 400
    assert answer["error"]["code"] == "context_length_exceeded"
    assert "512" in answer["error"]["message"]


def test_usage_counts_the_tokens_that_were_computed(server, engines):
    texts = ["the cat", LONG]
    rows = engines["encoder"].encode_rows(texts)
    usage = server.post("/v1/similarity", {"sources": texts})["usage"]
    assert usage == {"prompt_tokens": rows[0].width + 512, "total_tokens": rows[0].width + 512}


def test_a_bad_row_has_an_error_and_its_neighbours_are_whole(server, engines):
    inputs = ["the cat", "nanbomb", "the dog", "a crashbomb", "the mat"]
    answer = server.post("/v1/classify", {"inputs": inputs})
    for index, entry in enumerate(answer["data"]):
        if "bomb" in inputs[index]:
            assert entry["error"]["code"] == "model_error"
            assert "label" not in entry
        else:
            (expected,) = engines["xnli"].predict([inputs[index]])
            assert list(entry["scores"].values()) == expected.probabilities.tolist()


def test_a_request_of_bad_rows_only_is_an_error_that_asks_for_no_retry(server):
    status, headers, answer = server.call("POST", "/v1/classify", {"inputs": ["nanbomb"]})
    assert status == 500
    assert headers["x-should-retry"] == "false"
    assert answer["error"]["code"] == "model_error"


@pytest.mark.parametrize("text", [" ", "\u200b", "\x00", "   \n"])
def test_texts_without_anything_visible_are_answered(server, text):
    assert server.post("/v1/classify", {"inputs": [text]})["data"][0]["label"]
    assert server.post("/v1/tag", {"inputs": [text]})["data"][0]["words"] == []
    assert server.post("/v1/answer", {"inputs": [{"question": text, "context": text}]})["data"]


def test_equal_documents_have_equal_scores_and_keep_their_order(server):
    documents = ["a dog", "the cat", "a dog", "mat", "the cat", "a dog", "the cat"] * 5
    answer = server.post("/v1/rerank", {"query": "the mat", "documents": documents})["results"]
    tei = server.post("/rerank", {"query": "the mat", "texts": documents})
    assert [(r["index"], r["relevance_score"]) for r in answer] == [
        (r["index"], r["score"]) for r in tei
    ]
    for text in set(documents):
        same = [found for found in answer if documents[found["index"]] == text]
        assert len({found["relevance_score"] for found in same}) == 1
        assert [found["index"] for found in same] == sorted(found["index"] for found in same)
    rows = server.post("/v1/similarity", {"sources": documents, "targets": documents})["scores"]
    inputs = {"source_sentence": "the cat", "sentences": documents}
    row = server.post("/similarity", {"inputs": inputs})
    for text in set(documents):
        places = [place for place, document in enumerate(documents) if document == text]
        assert len({tuple(rows[place]) for place in places}) == 1
        assert len({row[place] for place in places}) == 1


def test_bitext_of_equal_sentences_proposes_the_first_of_them(server):
    body = {"sources": ["the cat"] * 9, "targets": ["the cat"] * 9, "k": 2, "retrieval": "forward"}
    matches = server.post("/v1/bitext", body)["matches"]
    assert len({match["score"] for match in matches}) == 1
    assert {match["target"] for match in matches} == {0}

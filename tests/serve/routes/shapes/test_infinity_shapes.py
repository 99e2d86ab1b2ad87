"""Bodies that infinity-client 0.0.78 sends by default, and the fields that it reads."""

import pytest

UNNAMED = "default/not-specified"
TEXTS = ["the cat", "der Hund schläft ツ"]


@pytest.mark.parametrize("path", ["/embeddings", "/v1/embeddings"])
def test_embeddings_of_no_model_in_particular_and_no_dimension(server, path):
    body = {"input": TEXTS, "model": UNNAMED, "dimensions": 0, "modality": "text"}
    answer = server.post(path, body)
    assert [len(entry["embedding"]) for entry in answer["data"]] == [16, 16]
    assert {"data", "model", "usage", "object"} <= answer.keys()
    assert server.call("POST", path, {**body, "modality": "image"})[0] == 400


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_rerank_gives_documents_as_texts(server, path):
    body = {"query": "the cat", "documents": TEXTS, "return_documents": True, "raw_scores": False,
            "model": UNNAMED, "top_n": 1}  # fmt: skip
    answer = server.post(path, body)
    assert (answer["object"], answer["results"][0]["document"]) == ("rerank", "the cat")
    assert answer["usage"]["total_tokens"] > 0


def test_models_are_infinity_s(server):
    answer = server.call("GET", "/models")[2]
    listed = {model["id"]: model for model in answer["data"]}
    assert set(listed) == {"xnli", "csqa", "panx", "xquad", "encoder"}
    assert {model["owned_by"] for model in answer["data"]} == {"infinity"}
    assert listed["encoder"]["capabilities"] == ["embed", "rerank"]
    assert listed["xnli"]["capabilities"] == ["classify"]
    assert set(listed["panx"]["stats"]) == {
        "queue_fraction", "queue_absolute", "results_pending", "batch_size",
    }  # fmt: skip


@pytest.mark.parametrize("raw", [False, True])
def test_classify_with_and_without_raw_scores(server, raw):
    answer = server.post("/classify", {"input": TEXTS, "model": UNNAMED, "raw_scores": raw})
    expected = [server.post("/predict", {"inputs": text, "raw_scores": raw}) for text in TEXTS]
    assert answer["object"] == "classify"
    assert [{(e["label"], e["score"]) for e in classes} for classes in answer["data"]] == [
        {(e["label"], e["score"]) for e in classes} for classes in expected
    ]
    if not raw:
        assert sum(entry["score"] for entry in answer["data"][0]) == pytest.approx(1.0)


def test_an_unnamed_model_is_one_that_fits_and_several_are_named(run_server, bundles):
    server = run_server({"one": bundles["encoder"], "two": bundles["encoder"]})
    status, _, answer = server.call("POST", "/embeddings", {"input": "a", "model": UNNAMED})
    assert status == 400 and "one, two" in answer["error"]["message"]
    server.stop()

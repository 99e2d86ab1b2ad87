"""Bodies that litellm 1.110.2 sends for six providers, and what it reads of the answers."""

import pytest

LITELLM = {"User-Agent": "litellm/1.110.2"}
TEXTS = ["the cat", "der Hund schläft ツ"]
DOCUMENTS = ["a dog", "the cat"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/embeddings", {}),  # openai, jina_ai, hosted_vllm, infinity with /v1 as base
        ("/v1/embeddings", {"user": "ada", "dimensions": 4}),
        ("/embeddings", {}),  # hosted_vllm and infinity without
        ("/embeddings", {"modality": "text", "output_dimension": 4}),
        ("/embeddings", {"encoding_format": "float"}),
    ],
    ids=str,
)
def test_openai_vllm_jina_and_infinity_embeddings(server, path, fields):
    answer = server.post(path, {"model": "encoder", "input": TEXTS, **fields}, **LITELLM)
    assert (answer["object"], answer["model"]) == ("list", "encoder")
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    assert set(answer["usage"]) == {"prompt_tokens", "total_tokens"}


@pytest.mark.parametrize("path", ["/v1/embed", "/v2/embed"])
def test_cohere_embeddings(server, path):
    body = {"model": "encoder", "texts": TEXTS, "input_type": "search_document"}
    answer = server.post(path, body, **LITELLM)
    found = answer["embeddings"]
    assert len(found if path == "/v1/embed" else found["float"]) == 2
    assert answer["meta"]["billed_units"]["input_tokens"] > 0


def test_hugging_face_embeddings_and_similarity(server):
    assert len(server.post("/?model=encoder", {"inputs": TEXTS}, **LITELLM)) == 2
    body = {"inputs": {"source_sentence": "the cat", "sentences": TEXTS}}
    assert len(server.post("/?model=encoder", body, **LITELLM)) == 2


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
@pytest.mark.parametrize("fields", [{"return_documents": True}, {"return_documents": False,
                                                                 "top_n": 1}], ids=str)  # fmt: skip
def test_vllm_infinity_and_jina_rerank(server, path, fields):
    body = {"model": "encoder", "query": "the cat", "documents": DOCUMENTS, **fields}
    answer = server.post(path, body, **LITELLM)
    assert [entry["index"] for entry in answer["results"]] == [1, 0][: fields.get("top_n")]
    for entry in answer["results"]:
        assert set(entry) == {"index", "relevance_score"}
    assert answer["usage"]["total_tokens"] >= answer["usage"]["prompt_tokens"] > 0


def test_cohere_rerank_has_objects_for_documents(server):
    body = {
        "model": "encoder",
        "query": "the cat",
        "documents": DOCUMENTS,
        "return_documents": True,
    }
    answer = server.post("/v2/rerank", body, **LITELLM)
    assert answer["results"][0]["document"] == {"text": "the cat"}
    assert isinstance(answer["id"], str) and "api_version" in answer["meta"]


def test_hugging_face_rerank(server):
    body = {"raw_scores": False, "truncation_direction": "Right", "query": "the cat", "top_n": 2,
            "texts": DOCUMENTS, "return_text": True}  # fmt: skip
    first = server.post("/rerank", body, **LITELLM)[0]
    assert (first["index"], first["text"]) == (1, "the cat")

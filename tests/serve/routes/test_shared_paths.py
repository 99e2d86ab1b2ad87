"""Paths that several protocols share: docs/serve.md's table, a test a row; several models: 400."""

import re

import pytest

DOCUMENTS = ["a dog", "the cat"]
OBJECTS = [{"text": "a dog", "id": 7}, {"text": "the cat", "id": 8}]
BODY = {"query": "the cat", "documents": DOCUMENTS, "return_documents": True}
PATHS = pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
PARAMETERS = [{}, {"top_k": 2}, {"function_to_apply": "none"}]


def first_document(answer):
    assert [found["index"] for found in answer["results"]] == [1, 0]
    return answer["results"][0].get("document")


def test_rerank_with_texts_is_tei_s(server):
    body = {"query": "the cat", "texts": DOCUMENTS, "return_text": True, "raw_scores": True}
    answer = server.post("/rerank", body)
    assert [(found["index"], found["text"]) for found in answer] == [(1, "the cat"), (0, "a dog")]
    assert set(answer[0]) == {"index", "score", "text"}
    for more in ({"raw_scores": False}, {"truncation_direction": "Right", "truncate": True}):
        assert server.post("/rerank", {**body, **more}) == answer


@PATHS
def test_documents_that_are_texts_come_back_as_texts(server, path):
    for more in ({}, {"raw_scores": False, "model": "default/not-specified"},
                 {"model": "encoder", "top_n": 2, "user": "ada", "truncate": "END"}):  # fmt: skip
        answer = server.post(path, {**BODY, **more})
        assert first_document(answer) == "the cat"
        assert (answer["object"], answer["model"]) == ("rerank", "encoder")
        assert (
            "document" not in server.post(path, {**BODY, "return_documents": False})["results"][0]
        )


@PATHS
def test_documents_that_are_objects_come_back_as_objects(server, path):
    answer = server.post(path, {**BODY, "documents": OBJECTS})
    assert first_document(answer) == OBJECTS[1]
    assert answer["meta"]["billed_units"] == {"search_units": 1}
    texts = server.post(path, BODY)
    assert [found["relevance_score"] for found in texts["results"]] == [
        found["relevance_score"] for found in answer["results"]
    ]


@PATHS
@pytest.mark.parametrize(
    "field",
    [{"rank_fields": ["text"]}, {"max_chunks_per_doc": 1}, {"max_tokens_per_doc": 4096},
     {"priority": 0}],
    ids=str,
)  # fmt: skip
def test_fields_that_only_cohere_has_make_it_cohere_s(server, path, field):
    assert first_document(server.post(path, {**BODY, **field})) == {"text": "the cat"}


@PATHS
def test_cohere_s_client_gets_objects_for_texts(server, path):
    answer = server.post(path, BODY, **{"X-Fern-SDK-Name": "cohere"})
    assert first_document(answer) == {"text": "the cat"}


@PATHS
def test_litellm_gets_no_documents_for_texts(server, path):
    assert first_document(server.post(path, BODY, **{"User-Agent": "litellm/1.110.2"})) is None


@PATHS
@pytest.mark.parametrize(
    "field",
    [{"max_tokens_per_doc": 16}, {"max_chunks_per_doc": 10}, {"rank_fields": ["title"]},
     {"documents": [{"title": "a"}]}, {"documents": [{"text": ""}, {"text": "a"}]}],
    ids=str,
)  # fmt: skip
def test_what_would_change_cohere_s_scores_is_refused_in_its_dialect(server, path, field):
    body = {**BODY, "documents": OBJECTS, **field}
    status, _, answer = server.call("POST", path, body)
    assert status == 400
    assert set(answer) == {"message"}


def test_fields_of_two_protocols_are_refused(server):
    status, _, answer = server.call("POST", "/rerank", {**BODY, "texts": DOCUMENTS})
    assert status in (400, 422)
    assert "two protocols" in answer["error"]


def test_what_is_nobody_s_is_told_in_the_path_s_own_dialect(server):
    assert "texts" in server.call("POST", "/rerank", {"query": "a"})[2]["error"]
    assert server.call("POST", "/v1/rerank", {"query": "a"})[2]["error"]["param"] == "documents"
    for path in ("/rerank", "/v1/rerank", "/"):
        for body in (b"", b"[1]", b"{", b'{"inputs": 5}', b"\xff", b'"\\ud800"'):
            status, headers, _ = server.call("POST", path, body)
            assert status in (400, 422)
            assert headers["content-type"] == "application/json"


# POST /


def as_task(server, model, **body):
    return server.post(f"/?model={model}", body)


def test_post_with_a_query_reranks(server):
    body = {"query": "the cat", "texts": DOCUMENTS}
    assert server.post("/", body) == server.post("/rerank", body)


def test_post_with_a_source_sentence_compares(server):
    body = {"inputs": {"source_sentence": "the cat", "sentences": DOCUMENTS}, "parameters": {}}
    assert server.post("/", body) == server.post("/similarity", body)


def test_post_with_a_question_answers(server):
    question = {"question": "who slept?", "context": "the cat slept on the mat"}
    best = server.post("/", {"inputs": question, "parameters": {}})
    assert set(best) == {"answer", "score", "start", "end"}
    assert question["context"][best["start"] : best["end"]] == best["answer"]
    answers = server.post("/v1/answer", {"inputs": [question], "top_k": 3})["data"][0]["answers"]
    several = server.post("/", {"inputs": question, "parameters": {"top_k": 3}})
    assert [(a["answer"], a["score"]) for a in several] == [
        (a["text"], a["probability"]) for a in answers
    ]
    assert several[0] == best


def test_post_with_a_text_pair_classifies_it(server):
    pair = {"text": "the cat", "text_pair": "a dog"}
    (classes,) = server.post("/", {"inputs": pair, "parameters": {}})
    assert classes == server.post("/predict", {"inputs": ["the cat", "a dog"]})


@pytest.mark.parametrize(
    "more", [{"normalize": False}, {"dimensions": 4}, {"encoding_format": "float"}], ids=str
)
def test_post_with_fields_of_embeddings_embeds(server, more):
    body = {"inputs": ["the cat", "a dog"], **more}
    assert server.post("/", body) == server.post("/embed", body)


def test_post_with_token_ids_embeds(server):
    for ids in ([5, 6], [[5, 6], [7]]):
        assert server.post("/", {"inputs": ids}) == server.post("/embed", {"inputs": ids})


@pytest.mark.parametrize(
    "body", [{"inputs": "the cat", "raw_scores": True}, {"inputs": [["the cat", "a dog"], ["a"]]}]
)
def test_post_with_raw_scores_or_pairs_predicts(server, body):
    assert server.post("/", body) == server.post("/predict", body)


@pytest.mark.parametrize("parameters", PARAMETERS[1:], ids=str)
def test_post_with_parameters_of_classes_classifies(server, parameters):
    (found,) = server.post("/", {"inputs": "the cat", "parameters": parameters})
    both = server.post("/", {"inputs": ["the cat", "a dog"], "parameters": parameters})
    assert both[0] == found and len(both) == 2
    raw = parameters.get("function_to_apply") == "none"
    expected = server.post("/predict", {"inputs": "the cat", "raw_scores": raw})
    assert found == expected[: parameters.get("top_k")]


def test_post_with_parameters_of_tags_tags(server):
    text = "the cat sat on the mat"
    words = server.post("/v1/tag", {"inputs": [text]})["data"][0]
    found = server.post("/", {"inputs": text, "parameters": {"aggregation_strategy": "none"}})
    assert [(f["word"], f["entity"], f["score"]) for f in found] == [
        (w["word"], w["tag"], w["score"]) for w in words["words"] if w["tag"] != "O"
    ]
    for strategy in ("simple", "first", None):
        body = {"inputs": [text], "parameters": {"aggregation_strategy": strategy}}
        (groups,) = server.post("/", body)
        assert [(g["entity_group"], g["word"], g["start"], g["end"]) for g in groups] == [
            (e["type"], e["text"], e["start"], e["end"]) for e in words["entities"]
        ]
    kept = {"aggregation_strategy": "none", "ignore_labels": []}
    assert len(server.post("/", {"inputs": text, "parameters": kept})) == len(words["words"])


def test_post_with_empty_parameters_is_a_task_of_the_model_s_kind(server):
    (classes,) = as_task(server, "xnli", inputs="the cat", parameters={})
    assert classes == server.post("/predict", {"inputs": "the cat"})
    groups = as_task(server, "panx", inputs="the cat", parameters={})
    assert groups == server.post(
        "/", {"inputs": "the cat", "parameters": {"aggregation_strategy": "simple"}}
    )


def test_post_with_inputs_alone_is_what_the_model_does(server):
    for name, path in (("encoder", "/embed"), ("xnli", "/predict")):
        for inputs in ("the cat", ["the cat", "a dog"]):
            assert as_task(server, name, inputs=inputs) == server.post(path, {"inputs": inputs})
    assert as_task(server, "panx", inputs="the cat") == server.post(
        "/", {"model": "panx", "inputs": "the cat"}
    )


def test_the_only_model_need_not_be_named(run_server, bundles):
    server = run_server({"encoder": bundles["encoder"]})
    body = {"inputs": "the cat"}
    assert server.post("/", body) == server.post("/embed", body)
    server.stop()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"inputs": "the cat"}, ["xnli", "panx", "encoder"]),
        ({"inputs": "the cat", "parameters": {}}, ["xnli", "panx"]),
        ({"inputs": ["the cat"], "truncate": True}, ["xnli", "panx", "encoder"]),
    ],
    ids=str,
)
def test_several_models_that_fit_are_named_in_a_400(server, body, names):
    status, _, answer = server.call("POST", "/", body)
    assert status == 400
    assert re.findall(r"\w+", answer["error"].rpartition("`model`:")[2]) == names


@PATHS
def test_several_encoders_that_fit_are_named_in_a_400(run_server, bundles, path):
    server = run_server({"one": bundles["encoder"], "two": bundles["encoder"]})
    for body in (BODY, {**BODY, "documents": OBJECTS}, {"query": "a", "texts": ["a"]}):
        if path == "/v1/rerank" and "texts" in body:
            continue
        status, _, answer = server.call("POST", path, body)
        assert status == 400
        assert "one, two" in str(answer)
    server.stop()


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": "a", "parameters": {"aggregation_strategy": "max"}},
        {"inputs": "a", "parameters": {"stride": 16}},
        {"inputs": "a", "parameters": {"top_k": 1, "ignore_labels": []}},
        {"inputs": "a", "parameters": 5},
        {"inputs": "a", "normalize": True, "raw_scores": True},
        {"inputs": "a", "encoding_format": "base64"},
        {"inputs": {"question": "a", "context": "b"}, "parameters": {"max_answer_len": 5}},
        {"inputs": {"question": "a", "context": "b"}, "parameters": {"align_to_words": True}},
        {"inputs": {"words": "a"}},
        {"inputs": "a", "model": 5},
        {"inputs": "a", "model": "nobody"},
        {"parameters": {}},
    ],
    ids=str,
)
def test_what_would_change_a_task_s_answer_is_refused(server, body):
    status, _, answer = server.call("POST", "/", body)
    assert status in (404, 422), answer
    assert answer["error_type"] == "Validation"

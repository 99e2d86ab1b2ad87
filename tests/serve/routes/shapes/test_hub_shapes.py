"""Bodies that huggingface_hub 2.4.0's InferenceClient posts to an address, and what it reads."""

import numpy as np
import pytest

TEXTS = ["the cat", "der Hund schläft ツ"]


@pytest.mark.parametrize(
    "fields",
    [{}, {"normalize": False, "truncate": True}, {"truncation_direction": "left", "dimensions": 4},
     {"prompt_name": None}, {"encoding_format": "float"}],
    ids=str,
)  # fmt: skip
def test_feature_extraction_is_an_array(server, fields):
    for inputs, n in ((TEXTS[0], 1), (TEXTS, 2)):
        answer = server.post("/?model=encoder", {"inputs": inputs, **fields})
        found = np.array(answer, dtype="float32")
        assert found.shape == (n, fields.get("dimensions") or 16)


def test_sentence_similarity_is_a_list_of_numbers(server):
    body = {"inputs": {"source_sentence": "the cat", "sentences": TEXTS}, "parameters": {}}
    first, second = server.post("/", body)
    assert first == pytest.approx(1.0) and -1 <= second < first


def test_text_classification_is_a_list_in_a_list(server):
    body = {"inputs": "the cat", "parameters": {}}
    (classes,) = server.post("/?model=xnli", body)
    assert {frozenset(entry) for entry in classes} == {frozenset({"label", "score"})}
    (best,) = server.post("/?model=xnli", {**body, "parameters": {"top_k": 1}})[0]
    assert best == classes[0]


@pytest.mark.parametrize("strategy", ["none", "simple", "first", None])
def test_token_classification_is_a_flat_list(server, strategy):
    parameters = {} if strategy is None else {"aggregation_strategy": strategy}
    found = server.post("/?model=panx", {"inputs": TEXTS[1], "parameters": parameters})
    kind = "entity" if strategy == "none" else "entity_group"
    assert found
    for entry in found:
        assert set(entry) == {"start", "end", "score", "word", kind}
        assert TEXTS[1][entry["start"] : entry["end"]] == entry["word"]


def test_question_answering_is_an_object_and_with_top_k_a_list(server):
    inputs = {"question": "who slept?", "context": "the cat slept on the mat"}
    best = server.post("/", {"inputs": inputs, "parameters": {}})
    assert set(best) == {"answer", "score", "start", "end"}
    assert server.post("/", {"inputs": inputs, "parameters": {"top_k": 3}})[0] == best
    parameters = {"handle_impossible_answer": True, "align_to_words": False}
    assert server.post("/", {"inputs": inputs, "parameters": parameters}) == best

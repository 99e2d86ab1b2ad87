"""Bodies of langchain-openai 1.7.4's OpenAIEmbeddings, with and without its length check."""


def test_texts_as_sent_without_the_length_check(server):
    body = {"model": "encoder", "input": ["the cat"], "encoding_format": "base64"}
    (entry,) = server.post("/v1/embeddings", body)["data"]
    assert isinstance(entry["embedding"], str)


def test_token_ids_as_sent_by_default_are_refused_with_the_switch_that_helps(server):
    body = {"model": "encoder", "input": [[791, 84]], "encoding_format": "base64"}
    status, _, answer = server.call("POST", "/v1/embeddings", body)
    assert (status, answer["error"]["code"]) == (400, "token_ids_refused")
    assert "check_embedding_ctx_length=False" in answer["error"]["message"]

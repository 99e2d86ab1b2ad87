"""The unchanged `openai` client against our routes."""

import asyncio
import base64
import shutil

import numpy as np
import openai
import pytest

TEXTS = ["the cat", "der Hund schläft", "собака под столом ツ", "the cat"]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)


def vectors(answer):
    return np.array([entry.embedding for entry in answer.data], np.float32)


def test_base64_and_floats_are_the_engine_s_bits_in_order(client, engines):
    expected = engines["encoder"].embed(TEXTS)
    default = client.embeddings.create(model="encoder", input=TEXTS)
    floats = client.embeddings.create(model="encoder", input=TEXTS, encoding_format="float")
    assert np.array_equal(vectors(default), expected)
    assert np.array_equal(vectors(floats), expected)
    assert [entry.index for entry in default.data] == [0, 1, 2, 3]
    assert default.usage.prompt_tokens == sum(
        row.width for row in engines["encoder"].encode_rows(TEXTS)
    )


def test_base64_on_the_wire_is_little_endian_float32(server, engines):
    body = {"input": "the cat", "encoding_format": "base64"}
    data = server.post("/v1/embeddings", body)["data"][0]["embedding"]
    found = np.frombuffer(base64.b64decode(data, validate=True), "<f4")
    assert np.array_equal(found, engines["encoder"].embed(["the cat"])[0])


def test_dimensions_are_cut_to_unit_length_where_declared(client, engines):
    full = engines["encoder"].embed(TEXTS)
    cut = vectors(client.embeddings.create(model="encoder", input=TEXTS, dimensions=4))
    assert cut.shape == (4, 4)
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        cut, full[:, :4] / np.linalg.norm(full[:, :4], axis=1, keepdims=True), atol=1e-6
    )
    same = client.embeddings.create(model="encoder", input=TEXTS, dimensions=16)
    assert np.array_equal(vectors(same), full)
    for wrong in (0, -1, 5, 17, 10**6):
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model="encoder", input="a", dimensions=wrong)
        assert caught.value.param == "dimensions"


def test_token_ids_with_and_without_special_tokens_equal_the_text(client, engines):
    encoder = engines["encoder"].encoder
    ids = encoder.tokenizer.encode("der Hund schläft", add_special_tokens=False).ids
    whole = encoder.tokenizer.encode("der Hund schläft").ids
    expected = engines["encoder"].embed(["der Hund schläft"])[0]
    own = {"token_ids": True}
    for form in (ids, [ids], [whole]):
        answer = client.embeddings.create(model="encoder", input=form, extra_body=own)
        assert np.array_equal(vectors(answer)[0], expected)
    long = client.embeddings.create(model="encoder", input=ids * 300, extra_body=own)
    assert long.usage.prompt_tokens == 512
    with pytest.raises(openai.BadRequestError, match="token id 100277"):
        client.embeddings.create(model="encoder", input=[[5, 100277]], extra_body=own)


@pytest.mark.parametrize("form", [[5, 6], [[5, 6]]])
def test_token_ids_of_who_knows_which_tokenizer_are_refused(client, server, form):
    before = server.total("xlt_batch_rows_sum")
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as caught:
        client.embeddings.create(model="encoder", input=form)
    assert (caught.value.param, caught.value.code) == ("input", "token_ids_refused")
    assert "--accept-token-ids" in caught.value.message
    assert "token_ids" in caught.value.message
    assert server.total("xlt_batch_rows_sum") == before


def test_a_server_can_be_told_to_take_token_ids(run_server, bundles):
    server = run_server({"encoder": bundles["encoder"]}, accept_token_ids=True)
    named = server.post("/v1/embeddings", {"input": [5, 6], "token_ids": True})
    assert server.post("/v1/embeddings", {"input": [5, 6]}) == named
    server.stop()


def embed(server, **fields):
    return np.array(server.post("/v1/embeddings", fields)["data"][0]["embedding"], np.float32)


LONG = " ".join(["the cat"] * 400) + " x"


@pytest.mark.parametrize(("word", "ours"), [("END", "right"), ("START", "left"), (None, "right")])
def test_truncate_in_cohere_s_words_cuts_as_ours(server, word, ours):
    assert np.array_equal(
        embed(server, input=LONG, truncate=word), embed(server, input=LONG, truncate=ours)
    )


def test_truncate_none_refuses_what_is_too_long(server):
    status, _, answer = server.call("POST", "/v1/embeddings", {"input": LONG, "truncate": "NONE"})
    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")


def test_dimensions_in_other_words(server):
    short = embed(server, input="the cat", dimensions=4)
    assert np.array_equal(embed(server, input="the cat", output_dimension=4), short)
    whole = embed(server, input="the cat", dimensions=0, modality="text")
    assert np.array_equal(whole, embed(server, input="the cat"))
    for field in ({"dimensions": 0}, {"output_dimension": 5}):
        assert server.call("POST", "/v1/embeddings", {"input": "a", **field})[0] == 400


def test_fields_that_change_nothing_are_taken(server):
    plain = embed(server, input="the cat")
    for fields in ({"modality": "text"}, {"user": "ada"}, {"truncate": "END"},
                   {"input_type": "search_query"}, {"truncate_prompt_tokens": -1},
                   {"truncate_prompt_tokens": 10**6}):  # fmt: skip
        assert np.array_equal(embed(server, input="the cat", **fields), plain)


@pytest.mark.parametrize(
    "field",
    [{"modality": "image"}, {"input_type": "image"}, {"prompt_name": "query"},
     {"truncate_prompt_tokens": 0}, {"truncate_prompt_tokens": 2}, {"truncate_prompt_tokens": -2},
     {"truncate_prompt_tokens": 9, "truncate": "error"}, {"add_special_tokens": False},
     {"normalize": False}],
)  # fmt: skip
def test_fields_that_would_change_the_answer_are_refused(server, field):
    status, _, answer = server.call("POST", "/v1/embeddings", {"input": "the cat", **field})
    assert status == 400, answer
    assert answer["error"]["param"] in field


def test_truncate_prompt_tokens_cuts_to_so_many(server, engines):
    tokenizer = engines["encoder"].encoder.tokenizer
    ids = tokenizer.encode(LONG, add_special_tokens=False).ids
    for most, truncate, kept in ((7, None, ids[:5]), (7, "START", ids[-5:]), (3, "END", ids[:1])):
        fields = {"truncate_prompt_tokens": most, "truncate": truncate}
        answer = server.post("/v1/embeddings", {"input": LONG, **fields})
        assert answer["usage"]["prompt_tokens"] == most
        assert answer["data"][0]["truncated"] is True
        for own in (kept, [kept]):
            assert np.array_equal(
                np.array(answer["data"][0]["embedding"], np.float32),
                embed(server, input=own, token_ids=True),
            )
        same = {"input": ids, "token_ids": True, **fields}
        assert server.post("/v1/embeddings", same)["data"] == answer["data"]


def test_the_prompts_of_a_bundle_are_picked_by_name_or_by_input_type(run_server, make_bundle):
    prompts = {"query": "search: ", "passage": "text: "}
    server = run_server({"e5": make_bundle("encoder", prompts=prompts)})
    plain = embed(server, input="the cat")
    query, passage = embed(server, input="search: the cat"), embed(server, input="text: the cat")
    assert not np.array_equal(plain, query)
    for fields, expected in (
        ({"prompt_name": "query"}, query),
        ({"prompt_name": "passage"}, passage),
        ({"input_type": "search_query"}, query),
        ({"input_type": "query"}, query),
        ({"input_type": "document"}, passage),
        ({"input_type": "search_document"}, passage),
        ({"input_type": "clustering"}, plain),
        ({"input_type": "query", "prompt_name": "passage"}, passage),
    ):
        assert np.array_equal(embed(server, input="the cat", **fields), expected), fields
    found = server.post("/embed", {"inputs": "the cat", "prompt_name": "query"})
    assert np.array_equal(np.array(found[0], np.float32), query)
    assert server.post("/embed_all", {"inputs": "the cat", "prompt_name": "query"}) == server.post(
        "/embed_all", {"inputs": "search: the cat"}
    )
    body = {"input": "the cat", "prompt_name": "qery"}
    status, _, answer = server.call("POST", "/v1/embeddings", body)
    assert (status, answer["error"]["param"]) == (400, "prompt_name")
    assert "query, passage" in answer["error"]["message"]
    body = {"input": [5, 6], "token_ids": True, "prompt_name": "query"}
    assert server.call("POST", "/v1/embeddings", body)[0] == 400
    server.stop()


def test_the_default_prompt_of_a_bundle_stands_before_texts_that_name_none(
    run_server, make_bundle, tmp_path
):
    prompts = {"query": "search: ", "passage": "text: "}
    bare = shutil.copytree(make_bundle("encoder", prompts=prompts), tmp_path / "bare")
    made = make_bundle("encoder", prompts=prompts, default_prompt_name="query")
    server = run_server({"e5": made, "bare": bare})
    expected = embed(server, model="bare", input="search: the cat")
    assert np.array_equal(embed(server, model="e5", input="the cat"), expected)
    passage = embed(server, model="e5", input="the cat", input_type="document")
    assert np.array_equal(passage, embed(server, model="bare", input="text: the cat"))
    for path in ("/v1/similarity", "/v1/bitext"):
        body = {"sources": ["the cat"], "targets": ["a mat"]}
        whole = {"sources": ["search: the cat"], "targets": ["search: a mat"]}
        first = server.post(path, {**body, "model": "e5"})
        second = server.post(path, {**whole, "model": "bare"})
        assert first["usage"] == second["usage"]
    server.stop()


def test_models_are_listed_and_retrieved(client):
    listed = {model.id: model for model in client.models.list()}
    assert set(listed) == {"xnli", "csqa", "panx", "xquad", "encoder"}
    assert client.models.retrieve("encoder").dimensions == 16
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.param == "model"


def test_errors_are_the_client_s_own_classes(client):
    with pytest.raises(openai.NotFoundError, match="did you mean 'encoder'") as caught:
        client.embeddings.create(model="encodr", input="a")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
    with pytest.raises(openai.BadRequestError, match="v1/classify") as caught:
        client.embeddings.create(model="xnli", input="a")
    assert caught.value.param == "model"
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="encoder", input="a", extra_body={"colour": "red"})
    assert caught.value.param == "colour"
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="encoder", input="a", encoding_format="int8")
    assert caught.value.param == "encoding_format"
    with pytest.raises(openai.InternalServerError, match="input 1"):
        client.embeddings.create(model="encoder", input=["a", "nanbomb"])


def test_raw_responses_and_the_asynchronous_client(client, server, engines):
    raw = client.embeddings.with_raw_response.create(model="encoder", input="the cat")
    assert raw.headers["x-request-id"]
    assert "infer;dur=" in raw.headers["server-timing"]
    asynchronous = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused")

    async def ask():
        async with asynchronous:
            calls = [asynchronous.embeddings.create(model="encoder", input=t) for t in TEXTS]
            return await asyncio.gather(*calls)

    answers = asyncio.run(ask())
    found = np.concatenate([vectors(answer) for answer in answers])
    assert np.array_equal(found, engines["encoder"].embed(TEXTS))

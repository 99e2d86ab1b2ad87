"""The unchanged `openai` client against our routes."""

import asyncio
import base64

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
    for form in (ids, [ids], [whole]):
        answer = client.embeddings.create(model="encoder", input=form)
        assert np.array_equal(vectors(answer)[0], expected)
    long = client.embeddings.create(model="encoder", input=ids * 300)
    assert long.usage.prompt_tokens == 512
    with pytest.raises(openai.BadRequestError, match="token id 100277"):
        client.embeddings.create(model="encoder", input=[[5, 100277]])


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

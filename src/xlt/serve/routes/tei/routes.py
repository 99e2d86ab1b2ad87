"""The routes of Hugging Face's text-embeddings-inference, for its clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from xlt._version import __version__
from xlt.core.encode.encoder import Row
from xlt.core.kinds.embed import SENTENCE
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.ranking import ranked
from xlt.serve.request.reading import Reading, prompt_of
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import (
    check_count,
    comparable,
    cosines,
    cut,
    fragment,
    pooled,
    stacked,
    width_of,
)
from xlt.serve.routes.tei import types as schemas
from xlt.serve.routes.tei.form import invalid, named, operation, side
from xlt.serve.routes.tei.tokens import ALL_KINDS, any_model, detokenize, tokenize

__all__ = ["OPERATIONS"]

EMBED = decoder(schemas.TeiEmbedRequest)
EMBED_ALL = decoder(schemas.TeiEmbedAllRequest)
RERANK = decoder(schemas.TeiRerankRequest)
SIMILARITY = decoder(schemas.TeiSimilarityRequest)
TOKEN_VECTORS = 16384  # in one answer: TEI's 32 inputs of 512 tokens


async def embed(call: Call) -> Reply:
    """Vectors; always a list of them, also for one text."""
    request = decode(EMBED, await call.body())
    model = call.state.pick(named(call, request.model), "embed")
    width = width_of(model, request.dimensions)
    unit = request.normalize is not False
    reading = _reading(request, model)
    inputs = reading.inputs(request.inputs, model, "inputs")
    result = await call.compute(
        model if unit else _unscaled(model),
        inputs.items,
        truncate=reading.truncate,
        encode=inputs.encode,
    )

    def body() -> bytes:
        vectors = cut(stacked(result) if unit else pooled(result), width, unit=unit)
        return orjson.dumps([fragment(vector) for vector in vectors])

    return Reply(body=await call.render(body, len(result.predictions)))


async def embed_all(call: Call) -> Reply:
    """For each input the vectors of its tokens, special ones too: the last hidden state."""
    request = decode(EMBED_ALL, await call.body())
    model = call.state.pick(named(call, request.model), "embed")
    if model.by_token is None:
        raise Problem(
            400,
            "no_token_vectors",
            f"{model.name!r} gives no vectors of tokens: its graph has no output "
            "last_hidden_state; export it with xlt export",
            "model",
        )
    reading = _reading(request, model)
    inputs = reading.inputs(request.inputs, model, "inputs")

    def rows() -> Sequence[Row]:
        made = inputs.encode()
        _check_size(made)
        return made

    result = await call.compute(
        model.by_token, inputs.items, truncate=reading.truncate, encode=rows
    )
    n_vectors = sum(map(len, result.whole()))

    def body() -> bytes:
        return orjson.dumps(
            [[fragment(vector) for vector in vec_LD] for vec_LD in result.predictions]
        )

    return Reply(body=await call.render(body, n_vectors))


async def rerank(call: Call) -> Reply:
    """Texts by their cosine with a query, which has no other form with `raw_scores`."""
    request = decode(RERANK, await call.body())
    model = call.state.pick(named(call, request.model), "embed")
    reading = Reading(truncate=side(request.truncate, request.truncation_direction))
    _, found = await ranked(call, model, request.query, request.texts, reading)
    answer: list[dict[str, Any]] = []
    for index, score in found:
        answer.append({"index": index, "score": score})
        if request.return_text:
            answer[-1]["text"] = request.texts[index]
    return Reply(body=orjson.dumps(answer))


async def similarity(call: Call) -> Reply:
    """Cosines of one sentence with others."""
    request = decode(SIMILARITY, await call.body())
    check_count(1 + len(request.inputs.sentences))
    model = call.state.pick(named(call, request.model), "embed")
    texts = [request.inputs.source_sentence, *request.inputs.sentences]
    parameters = request.parameters or schemas.TeiSimilarityParameters()
    truncate = side(parameters.truncate, parameters.truncation_direction)
    result = await call.compute(model, texts, truncate=truncate)
    vectors = comparable(result, texts)
    scores = cosines(vectors[:1], vectors[1:])[0]
    return Reply(body=orjson.dumps(scores.tolist()))


async def info(call: Call) -> Reply:
    """What is served, in TEI's words."""
    model = any_model(call, call.query("model"))
    limits = call.state.settings.limits
    answer = {
        "model_id": model.name,
        "model_sha": model.bundle.key,
        "model_dtype": {"fp32": "float32", "fp16": "float16"}.get(
            model.bundle.precision, model.bundle.precision
        ),
        "served_model_name": model.name,
        "model_type": _model_type(model),
        "max_concurrent_requests": limits.queue_requests,
        "max_input_length": model.engine.encoder.max_length,
        "max_batch_tokens": model.pace.budget,
        "max_batch_requests": None,
        "max_client_batch_size": MAX_ITEMS,
        "auto_truncate": True,
        "tokenization_workers": call.state.settings.tokenizer_threads,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }
    return Reply(body=orjson.dumps(answer))


def _unscaled(model: Served) -> Served:
    """The form of an embedder whose vectors can be had before they are scaled.

    Raises:
        Problem: 422 where the graph gives vectors of length 1 alone.
    """
    if SENTENCE not in model.engine.outputs:
        return model
    if model.by_token is None or model.bundle.pooling is None:
        raise invalid(
            f"normalize false: the graph of {model.name!r} gives vectors of length 1 alone",
            "normalize",
        )
    return model.by_token


def _reading(
    request: schemas.TeiEmbedRequest | schemas.TeiEmbedAllRequest, model: Served
) -> Reading:
    """How the inputs of a request are to be read."""
    return Reading(
        truncate=side(request.truncate, request.truncation_direction),
        prompt=prompt_of(model, name=request.prompt_name),
    )


def _check_size(rows: Sequence[Row]) -> None:
    """Refuse what would make an answer of too many numbers; it is some kilobytes a token.

    Raises:
        Problem: 413.
    """
    n_tokens = sum(row.width for row in rows)
    if n_tokens > TOKEN_VECTORS:
        raise Problem(
            413,
            "too_many_tokens",
            f"the inputs have {n_tokens} tokens, each of which would have a vector; at most "
            f"{TOKEN_VECTORS} are given at a time: send fewer inputs",
            "inputs",
        )


def _model_type(model: Served) -> dict[str, Any]:
    if model.kind == "embed":
        return {"embedding": {"pooling": model.bundle.pooling or "mean"}}
    labels = model.bundle.task.labels
    return {
        "classifier": {
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
        }
    }


OPERATIONS: list[Operation[Call]] = [
    operation("/embed", embed, "tei_embed", "Embeddings as plain lists.", kinds=("embed",),
              request=schemas.TeiEmbedRequest, response=list[list[float]],
              example={"inputs": ["Good morning."]}),
    operation("/embed_all", embed_all, "tei_embed_all", "Vectors of all tokens, not pooled.",
              kinds=("embed",), request=schemas.TeiEmbedAllRequest,
              response=list[list[list[float]]], example={"inputs": ["Good morning."]}),
    operation("/rerank", rerank, "tei_rerank", "Texts by their cosine with a query.",
              kinds=("embed",), takes=lambda peek: peek.has("texts"),
              request=schemas.TeiRerankRequest, response=list[schemas.TeiRank],
              example={"query": "pets", "texts": ["A cat sleeps.", "Taxes rose."]}),
    operation("/similarity", similarity, "tei_similarity", "Cosines of a sentence with others.",
              kinds=("embed",), request=schemas.TeiSimilarityRequest, response=list[float],
              example={"inputs": {"source_sentence": "Hello.", "sentences": ["Hallo."]}}),
    operation("/tokenize", tokenize, "tei_tokenize", "Tokens of texts.", kinds=ALL_KINDS,
              request=schemas.TeiTokenizeRequest, response=list[list[schemas.TeiToken]],
              example={"inputs": "Good morning."}),
    operation("/decode", detokenize, "tei_decode", "Texts of token ids.", kinds=ALL_KINDS,
              request=schemas.TeiDecodeRequest, response=list[str], example={"ids": [[5, 6, 7]]}),
    operation("/info", info, "tei_info", "What is served; ?model=NAME where there are several.",
              response=schemas.TeiInfo),
]  # fmt: skip

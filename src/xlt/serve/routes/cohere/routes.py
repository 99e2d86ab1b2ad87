"""Cohere's embed and rerank, for its unchanged client and for those that speak its form."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation, Peek
from xlt.serve.request.ranking import ranked
from xlt.serve.request.reading import Reading, prompt_of, side_of
from xlt.serve.request.result import Result
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import cut, fragment, stacked, width_of
from xlt.serve.routes.cohere import types as schemas

__all__ = ["OPERATIONS"]

EMBED = decoder(schemas.CohereEmbedRequest)
EMBED_V2 = decoder(schemas.CohereEmbedV2Request)
RERANK = decoder(schemas.CohereRerankRequest)
OWN_FIELDS = ("rank_fields", "max_chunks_per_doc", "max_tokens_per_doc", "priority")
SDK = "cohere"  # says so in a header: v1's body of plain texts is also ours, answered otherwise


async def embed(call: Call) -> Reply:
    """Vectors as plain lists, or by type where types are asked for."""
    request = decode(EMBED, await call.body())
    model = call.state.pick(request.model, "embed")
    reading = Reading(
        truncate=side_of(request.truncate), prompt=prompt_of(model, input_type=request.input_type)
    )
    return await _embedded(
        call, model, request.texts, reading, types=request.embedding_types, version="1"
    )


async def embed_v2(call: Call) -> Reply:
    """Vectors by type, floats by default."""
    request = decode(EMBED_V2, await call.body())
    if (request.texts is None) == (request.inputs is None):
        raise Problem(400, "invalid_field", "texts or inputs is needed, and not both", "texts")
    texts = request.texts or [part.content[0].text for part in request.inputs or []]
    model = call.state.pick(request.model, "embed")
    width = width_of(model, request.output_dimension)
    reading = Reading(
        truncate=side_of(request.truncate),
        most_tokens=request.max_tokens,
        prompt=prompt_of(model, input_type=request.input_type),
    )
    types = request.embedding_types or ["float"]
    return await _embedded(call, model, texts, reading, types=types, width=width, version="2")


async def rerank(call: Call) -> Reply:
    """Documents by their cosine with a query; they come back as objects."""
    request = decode(RERANK, await call.body())
    model = call.state.pick(request.model, "embed")
    longest = model.engine.encoder.max_length
    if request.max_tokens_per_doc is not None and request.max_tokens_per_doc < longest:
        raise Problem(
            400,
            "invalid_field",
            f"max_tokens_per_doc {request.max_tokens_per_doc}: documents are cut at the {longest} "
            "tokens that the model reads, not before; leave it out",
            "max_tokens_per_doc",
        )
    documents = [_document(place, item) for place, item in enumerate(request.documents)]
    texts = [str(document["text"]) for document in documents]
    result, found = await ranked(call, model, request.query, texts, Reading())
    results: list[dict[str, Any]] = []
    for index, score in found[: request.top_n]:
        results.append({"index": index, "relevance_score": score})
        if request.return_documents:
            results[-1]["document"] = documents[index]
    answer = {
        "id": call.request_id,
        "object": "rerank",
        "model": model.name,
        "results": results,
        "meta": _meta("2", "search_units", 1),
        "usage": result.usage,
    }
    return Reply(body=orjson.dumps(answer))


async def _embedded(
    call: Call,
    model: Served,
    texts: Sequence[str],
    reading: Reading,
    *,
    types: Sequence[str] | None,
    version: str,
    width: int | None = None,
) -> Reply:
    inputs = reading.texts(texts, model)
    result = await call.compute(
        model, inputs.items, truncate=reading.truncate, encode=inputs.encode
    )

    def body() -> bytes:
        vectors = cut(stacked(result), width)
        floats = [fragment(vector) for vector in vectors]
        embeddings: Any = floats
        if types is not None:
            embeddings = {"float": floats} if "float" in types else {}
            if "base64" in types:
                raw = [base64.b64encode(vector.tobytes()).decode("ascii") for vector in vectors]
                embeddings["base64"] = raw
        form = "embeddings_floats" if types is None else "embeddings_by_type"
        return orjson.dumps(
            {
                "response_type": form,
                "id": call.request_id,
                "embeddings": embeddings,
                "texts": texts,
                "meta": _meta(version, "input_tokens", _tokens(result)),
            }
        )

    return Reply(body=await call.render(body, len(texts)))


def _document(place: int, item: str | dict[str, Any]) -> dict[str, Any]:
    """A document as an object with a `text`.

    Raises:
        Problem: 400 for one without.
    """
    if isinstance(item, str):
        return {"text": item}
    text = item.get("text")
    if not isinstance(text, str) or not text:
        raise Problem(
            400, "invalid_field", f"documents[{place}] has no text under `text`", "documents"
        )
    return item


def _tokens(result: Result) -> int:
    return int(result.usage["prompt_tokens"])


def _meta(version: str, unit: str, count: int) -> dict[str, Any]:
    return {"api_version": {"version": version}, "billed_units": {unit: count}}


def _is_ours(peek: Peek) -> bool:
    """Whether a body on a shared path is Cohere's: documents as objects, fields, its SDK."""
    documents = peek.fields.get("documents", b"").lstrip()
    return bool(documents) and (
        documents[1:].lstrip().startswith(b"{")
        or peek.has(*OWN_FIELDS)
        or peek.header("x-fern-sdk-name") == SDK
    )


def _cohere(path: str, handler: Any, name: str, summary: str, **more: Any) -> Operation[Call]:
    return Operation(
        method="POST", path=path, handler=handler, name=name, summary=summary, group="Cohere",
        dialect="cohere", kinds=("embed",), **more,
    )  # fmt: skip


RANKING: dict[str, Any] = {
    "request": schemas.CohereRerankRequest, "response": schemas.CohereReranked,
    "example": {"query": "pets", "documents": [{"text": "A cat sleeps."}, {"text": "Taxes rose."}]},
}  # fmt: skip
OPERATIONS: list[Operation[Call]] = [
    _cohere("/v2/embed", embed_v2, "cohere_embed_v2", "Embeddings by type.",
            request=schemas.CohereEmbedV2Request, response=schemas.CohereEmbedded,
            example={"texts": ["Good morning."], "input_type": "search_query"}),
    _cohere("/v1/embed", embed, "cohere_embed", "Embeddings as lists, or by type.",
            request=schemas.CohereEmbedRequest,
            response=(schemas.CohereEmbeddedFloats, schemas.CohereEmbedded),
            example={"texts": ["Good morning."]}),
    _cohere("/v2/rerank", rerank, "cohere_rerank_v2", "Documents by their cosine with a query.",
            **RANKING),
    _cohere("/v1/rerank", rerank, "cohere_rerank", "Documents by their cosine with a query.",
            takes=_is_ours, **RANKING),
    _cohere("/rerank", rerank, "cohere_rerank_root", "Documents by their cosine with a query.",
            takes=_is_ours, **RANKING),
]  # fmt: skip

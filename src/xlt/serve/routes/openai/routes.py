"""OpenAI's routes, for the unchanged `openai` client: embeddings and models."""

from __future__ import annotations

import base64

import orjson

from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.card import model_card
from xlt.serve.request.ids import check_ids, inputs_of, rows_of_ids
from xlt.serve.request.operation import Operation
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import cut, fragment, stacked, width_of
from xlt.serve.routes.openai import types as schemas

__all__ = ["OPERATIONS"]

EMBEDDINGS = decoder(schemas.EmbeddingsRequest)


async def embeddings(call: Call) -> Reply:
    """Sentence embeddings; the client asks for base64 unless told otherwise."""
    request = decode(EMBEDDINGS, await call.body())
    model = call.state.pick(request.model, "embed")
    width = width_of(model, request.dimensions)
    texts, ids = inputs_of(request.input)
    if ids is None:
        result = await call.compute(model, texts, truncate=request.truncate)
    else:
        check_ids(ids, model, "input")
        rows = rows_of_ids(model, ids, request.truncate)
        result = await call.compute(model, ids, truncate=request.truncate, encode=rows)
    as_text = request.encoding_format == "base64"

    def body() -> bytes:
        vectors = cut(stacked(result), width)
        data = []
        for index, vector in enumerate(vectors):
            form = base64.b64encode(vector.tobytes()).decode("ascii") if as_text else vector
            entry = {"object": "embedding", "index": index, "embedding": form}
            if result.truncated[index]:
                entry["truncated"] = True
            data.append(fragment(entry))
        answer = {"object": "list", "data": data, "model": model.name, "usage": result.usage}
        return orjson.dumps(answer)

    return Reply(body=await call.render(body, len(result.predictions)))


async def list_models(call: Call) -> Reply:
    """All loaded models."""
    data = [model_card(call.state, model) for model in call.state.models.table.values()]
    return Reply(body=orjson.dumps({"object": "list", "data": data}))


async def get_model(call: Call) -> Reply:
    """One model."""
    model = call.state.find(call.path_value("model"))
    return Reply(body=orjson.dumps(model_card(call.state, model)))


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="POST", path="/v1/embeddings", handler=embeddings, name="embeddings",
        group="OpenAI", summary="Sentence embeddings.", kinds=("embed",),
        request=schemas.EmbeddingsRequest, response=schemas.EmbeddingsResponse,
        example={"input": ["Good morning.", "Guten Morgen."], "encoding_format": "float"},
    ),
    Operation(
        method="GET", path="/v1/models", handler=list_models, name="list_models", group="OpenAI",
        summary="The loaded models.", response=schemas.ModelList,
    ),
    Operation(
        method="GET", path="/v1/models/{model}", handler=get_model, name="get_model",
        group="OpenAI", summary="One model.", response=schemas.ModelObject,
    ),
]  # fmt: skip

"""OpenAI's routes, for the unchanged `openai` client: embeddings and models."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.card import model_card
from xlt.serve.request.operation import Operation
from xlt.serve.request.reading import Reading, prompt_of, side_of
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import cut, fragment, stacked, width_of
from xlt.serve.routes.openai import types as schemas

__all__ = ["OPERATIONS", "embeddings"]

EMBEDDINGS = decoder(schemas.EmbeddingsRequest)


async def embeddings(call: Call) -> Reply:
    """Sentence embeddings; the client asks for base64 unless told otherwise."""
    request = decode(EMBEDDINGS, await call.body())
    model = call.state.pick(request.model, "embed")
    dimensions = request.dimensions
    if dimensions is None:
        dimensions = request.output_dimension
    if dimensions == 0 and request.modality is not None:  # infinity's client, by default
        dimensions = None
    width = width_of(model, dimensions)
    if not (request.token_ids or call.state.settings.accept_token_ids):
        _refuse_ids(request.input)
    reading = Reading(
        truncate=side_of(request.truncate),
        most_tokens=request.truncate_prompt_tokens,
        prompt=prompt_of(model, name=request.prompt_name, input_type=request.input_type),
    )
    inputs = reading.inputs(request.input, model, "input")
    result = await call.compute(
        model, inputs.items, truncate=reading.truncate, encode=inputs.encode
    )
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


def _refuse_ids(value: str | list[Any]) -> None:
    """Refuse token ids: those of another tokenizer would give vectors that are silently wrong.

    Raises:
        Problem: 400, naming the ways out.
    """
    if isinstance(value, list) and value and isinstance(value[0], int | list):
        raise Problem(
            400,
            "token_ids_refused",
            "input holds token ids, which another tokenizer may have made: send texts "
            "(LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False)); for ids of this "
            'model\'s own tokenizer say "token_ids": true, or start the server with '
            "--accept-token-ids",
            "input",
        )


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

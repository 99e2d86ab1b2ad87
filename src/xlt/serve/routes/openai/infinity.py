"""The root paths of infinity, for its client: embeddings, models, classify.

Its `/rerank` is shared with others, see `routes.shared`.
"""

from __future__ import annotations

from typing import Any

import orjson

from xlt.core.tasks.examples import Pair
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.openai import routes as openai
from xlt.serve.routes.openai import types as schemas

__all__ = ["OPERATIONS"]

CLASSIFY = decoder(schemas.InfinityClassifyRequest)
CAPABILITIES = {"embed": ["embed", "rerank"], "pair": ["classify"]}


async def models(call: Call) -> Reply:
    """All loaded models, with what infinity tells of its own."""
    scheduler = call.state.scheduler
    waiting = len(scheduler.admission.tickets)
    most = call.state.settings.limits.queue_requests
    data = [
        {
            "id": model.name,
            "object": "model",
            "created": model.created,
            "owned_by": "infinity",  # its client takes no other word
            "backend": "xlt",
            "capabilities": CAPABILITIES.get(model.kind, []),
            "stats": {
                "queue_fraction": waiting / most,
                "queue_absolute": waiting,
                "results_pending": waiting,
                "batch_size": model.pace.budget,
            },
        }
        for model in call.state.models.table.values()
    ]
    return Reply(body=orjson.dumps({"object": "list", "data": data}))


async def classify(call: Call) -> Reply:
    """Class scores of texts, best first; with `raw_scores` the logits."""
    request = decode(CLASSIFY, await call.body())
    model = call.state.pick(request.model, "pair")
    pairs = [Pair(id="", text_a=text) for text in request.input]
    result = await call.compute(model, pairs)
    result.whole()
    labels = model.bundle.task.labels

    def scores(index: int) -> list[dict[str, Any]]:
        raw = result.outputs[index]["logits"]
        values = raw if request.raw_scores else result.predictions[index].probabilities
        found = [{"label": n, "score": s} for n, s in zip(labels, values.tolist(), strict=True)]
        return sorted(found, key=lambda entry: -float(entry["score"]))

    def body() -> bytes:
        data = [scores(index) for index in range(len(pairs))]
        answer = {"object": "classify", "model": model.name, "data": data, "usage": result.usage}
        return orjson.dumps(answer)

    return Reply(body=await call.render(body, len(pairs)))


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="POST", path="/embeddings", handler=openai.embeddings, name="infinity_embeddings",
        group="infinity", summary="Sentence embeddings.", kinds=("embed",),
        request=schemas.EmbeddingsRequest, response=schemas.EmbeddingsResponse,
        example={"input": ["Good morning."], "modality": "text", "dimensions": 0},
    ),
    Operation(
        method="GET", path="/models", handler=models, name="infinity_models", group="infinity",
        summary="The loaded models.", response=schemas.InfinityModels,
    ),
    Operation(
        method="POST", path="/classify", handler=classify, name="infinity_classify",
        group="infinity", summary="Class scores of texts.", kinds=("pair",),
        request=schemas.InfinityClassifyRequest, response=schemas.InfinityClassified,
        example={"input": ["The cat sleeps."]},
    ),
]  # fmt: skip

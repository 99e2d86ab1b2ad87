"""Loading, swapping and unloading models while the server runs; needs an admin key."""

from __future__ import annotations

import orjson

from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.card import model_card
from xlt.serve.request.loading import load_model
from xlt.serve.request.operation import Operation
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.openai import types as schemas

__all__ = ["OPERATIONS"]

LOAD = decoder(schemas.LoadRequest)


async def load(call: Call) -> Reply:
    """Load a model, or replace the one of that name; requests go to the old one until then."""
    request = decode(LOAD, await call.body())
    model = await load_model(
        call.state, request.name, bundle=request.bundle, precision=request.precision
    )
    return Reply(body=orjson.dumps(model_card(call.state, model)))


async def unload(call: Call) -> Reply:
    """Forget a model; what it is computing is still answered."""
    name = call.path_value("model")
    call.state.unload(name)
    return Reply(body=orjson.dumps({"id": name, "object": "model", "deleted": True}))


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="POST", path="/admin/models", handler=load, name="load_model", group="admin",
        summary="Load a model, or swap one under traffic.", access="admin",
        request=schemas.LoadRequest, response=schemas.ModelObject, example={"name": "xnli"},
    ),
    Operation(
        method="DELETE", path="/admin/models/{model}", handler=unload, name="unload_model",
        group="admin", summary="Unload a model.", access="admin", response=schemas.Unloaded,
    ),
]  # fmt: skip

"""Loading, swapping and unloading models while the server runs; needs an admin key."""

from __future__ import annotations

from pathlib import Path

import orjson

from xlt.core.errors import XltError
from xlt.serve.compute.models import NAME, Source
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.openai import types as schemas
from xlt.serve.routes.openai.routes import model_object
from xlt.serve.routes.table import Operation

__all__ = ["OPERATIONS", "load_model"]

LOAD = decoder(schemas.LoadRequest)


async def load(call: Call) -> Reply:
    """Load a model, or replace the one of that name; requests go to the old one until then."""
    request = decode(LOAD, await call.body())
    model = await load_model(call, request.name, request.bundle, request.precision)
    return Reply(body=model)


async def unload(call: Call) -> Reply:
    """Forget a model; what it is computing is still answered."""
    model = call.app.models.remove(call.path_value("model"))
    return Reply(body=orjson.dumps({"id": model.name, "object": "model", "deleted": True}))


async def load_model(call: Call, name: str, bundle: str | None, precision: str | None) -> bytes:
    """Load from the repository, or again from where the model of that name came from.

    Raises:
        Problem: 400 for a bad name, 404 for an unknown bundle, 422 for one that does not load; what
            was served before is served still.
    """
    for field, value in (("name", name), ("bundle", bundle)):
        if value is not None and not NAME.fullmatch(value):
            raise Problem(
                400,
                "invalid_field",
                f"{field} {value[:100]!r}: letters, digits, '.', '_' and '-' only",
                field,
            )
    path, known = _place(call, name, bundle)
    source = Source(name=name, path=path, precision=precision or known)
    try:
        served = await call.app.load(source)
    except XltError as error:
        raise Problem(422, "bad_model", f"{error.message}; {error.hint}", "bundle") from None
    return orjson.dumps(model_object(served))


def _place(call: Call, name: str, bundle: str | None) -> tuple[Path, str]:
    """The folder to load from, and the precision it had."""
    app = call.app
    present = app.models.table.get(name)
    if bundle is None and present is not None:
        return present.source.path, present.source.precision
    repository = app.settings.repository
    if repository is None:
        raise Problem(
            404,
            "no_repository",
            f"{name!r} is not loaded, and the server has no --repository to load it from",
            "name",
        )
    folder = repository / (bundle or name)
    if not folder.resolve().is_relative_to(repository.resolve()) or not folder.is_dir():
        raise Problem(
            404, "bundle_not_found", f"no bundle {bundle or name!r} in the repository", "bundle"
        )
    return folder, present.source.precision if present is not None else "fp32"


OPERATIONS = [
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

"""OpenAI's routes, for the unchanged `openai` client: embeddings and models."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from xlt.core.encode.encoder import Row
from xlt.core.tasks.table import KINDS
from xlt.serve.compute.models import Served
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.call import Call
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import Vectors, fragment, stacked
from xlt.serve.routes.openai import types as schemas
from xlt.serve.routes.table import Operation

__all__ = ["OPERATIONS", "check_ids", "cut", "inputs_of", "rows_of_ids", "width_of"]

EMBEDDINGS = decoder(schemas.EmbeddingsRequest)
OWNER = "xlt"


async def embeddings(call: Call) -> Reply:
    """Sentence embeddings; the client asks for base64 unless told otherwise."""
    request = decode(EMBEDDINGS, await call.body())
    model = call.app.models.pick(request.model, "embed")
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


def inputs_of(value: str | list[Any]) -> tuple[list[str], list[list[int]] | None]:
    """The four forms of `input`: a text, texts, token ids, lists of token ids.

    Returns:
        Texts and None, or no texts and the lists of ids.

    Raises:
        Problem: 400 for an empty list or text, for a mixture, and for too many items.
    """
    if isinstance(value, str):
        return [_not_empty(value, "input")], None
    if not value:
        raise _bad("the list is empty", "empty_input")
    kinds = {type(item) for item in value}
    if kinds == {int}:
        return [], [value]
    if len(value) > MAX_ITEMS:
        raise _bad(f"{len(value)} items; at most {MAX_ITEMS} are taken", "too_many_items")
    if kinds == {str}:
        return [_not_empty(text, f"input[{i}]") for i, text in enumerate(value)], None
    if kinds == {list}:
        for index, item in enumerate(value):
            if not item:
                raise _bad(f"input[{index}] is an empty list", "empty_input")
        return [], value
    raise _bad("a list holds texts, token ids or lists of token ids, not a mixture")


def check_ids(lists: Sequence[Sequence[int]], model: Served, param: str) -> None:
    """Refuse token ids that the model's tokenizer does not have.

    Raises:
        Problem: 400, naming the id and the size of the vocabulary.
    """
    size = model.engine.encoder.vocab_size
    for ids in lists:
        if ids and not 0 <= min(ids) <= max(ids) < size:
            token = max(ids) if min(ids) >= 0 else min(ids)
            raise Problem(
                400,
                "invalid_token",
                f"{param}: token id {token} is not in 0..{size - 1}, the vocabulary of "
                f"{model.name!r}; ids of other tokenizers do not work, send text",
                param,
            )


def rows_of_ids(
    model: Served, lists: Sequence[Sequence[int]], truncate: str | None
) -> Callable[[], list[Row]]:
    """Rows of token ids; special tokens are put around them unless they are there."""
    encoder = model.engine.encoder
    layout = encoder.single
    room = encoder.max_length - layout.added
    keep_left = encoder.keep_left if truncate in (None, "error") else truncate == "right"

    def rows() -> list[Row]:
        made = []
        for index, tokens in enumerate(lists):
            ids = np.asarray(tokens, np.int32)
            n_before, n_after = len(layout.before), len(layout.after)
            inner = len(ids) - n_after
            if inner >= n_before and np.array_equal(
                np.concatenate((ids[:n_before], ids[inner:])),
                np.concatenate((layout.before, layout.after)),
            ):
                ids = ids[n_before:inner]
            kept = ids[:room] if keep_left else ids[max(0, len(ids) - room) :]
            types = layout.join_types(len(kept)) if encoder.uses_types else None
            cut = len(kept) < len(ids)
            made.append(Row(item=index, ids=layout.join(kept), types=types, truncated=cut))
        return made

    return rows


def cut(vectors: Vectors, width: int | None) -> Vectors:
    """The first `width` numbers of each vector, of length 1 again; little-endian float32."""
    if width is not None and width < vectors.shape[1]:
        short = vectors[:, :width].astype(np.float64)
        norms = np.linalg.norm(short, axis=1, keepdims=True)
        vectors = (short / np.where(norms == 0, 1.0, norms)).astype(np.float32)
    return np.ascontiguousarray(vectors, dtype="<f4")


def width_of(model: Served, dimensions: int | None) -> int | None:
    """The dimensions asked for, where the model declares that it can be cut to them.

    Raises:
        Problem: 400, naming what there is.
    """
    allowed = [*model.cut_to, model.dimensions]
    if dimensions is None or dimensions in allowed:
        return dimensions
    raise Problem(
        400,
        "unsupported_dimensions",
        f"{model.name!r} gives vectors of {' or '.join(map(str, allowed))} dimensions, "
        f"not {dimensions}",
        "dimensions",
    )


def _not_empty(text: str, where: str) -> str:
    if not text:
        raise _bad(f"{where} is an empty text", "empty_input")
    return text


def _bad(message: str, code: str = "invalid_field") -> Problem:
    return Problem(400, code, message, "input")


async def list_models(call: Call) -> Reply:
    """All loaded models."""
    data = [model_object(model) for model in call.app.models.table.values()]
    return Reply(body=orjson.dumps({"object": "list", "data": data}))


async def get_model(call: Call) -> Reply:
    """One model."""
    return Reply(body=orjson.dumps(model_object(call.app.models.find(call.path_value("model")))))


def model_object(model: Served) -> dict[str, Any]:
    """OpenAI's model object, and what we know besides."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": OWNER,
        "task": model.task,
        "kind": model.kind,
        "answers": list(model.bundle.answers),
        "labels": list(model.bundle.task.labels),
        "precision": model.bundle.precision,
        "device": model.engine.session.device,
        "max_length": model.engine.encoder.max_length,
        "dimensions": model.dimensions,
        "routes": list(KINDS[model.kind].routes),
    }


OPERATIONS = [
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

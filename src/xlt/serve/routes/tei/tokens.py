"""The tokenizer's routes of text-embeddings-inference: texts to tokens, and back."""

from __future__ import annotations

from typing import Any

import orjson

from xlt.core.encode.offsets import spans_of
from xlt.core.encode.rows import IntArray
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.limits import too_many_tokens
from xlt.serve.request.call import Call
from xlt.serve.request.ids import check_ids
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.tei import types as schemas

__all__ = ["ALL_KINDS", "any_model", "detokenize", "tokenize"]

TOKENIZE = decoder(schemas.TeiTokenizeRequest)
DECODE = decoder(schemas.TeiDecodeRequest)
ALL_KINDS = ("embed", "pair", "tag", "span", "choice")


async def tokenize(call: Call) -> Reply:
    """Tokens with their places in the text."""
    request = decode(TOKENIZE, await call.body())
    tokenizer = any_model(call, request.model).engine.encoder.tokenizer
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    most = call.state.settings.limits.queue_tokens

    def body() -> bytes:
        encodings = []
        n_tokens = 0
        for text in texts:
            # A batch, also of one: `encode` would stop every other thread until it is done.
            encodings += tokenizer.encode_batch(
                [text], add_special_tokens=request.add_special_tokens
            )
            n_tokens += len(encodings[-1])
            if n_tokens > most:
                raise too_many_tokens(n_tokens, most)
        places = [spans for _, spans in spans_of(tokenizer, encodings, texts, trim=False)]
        return orjson.dumps(list(map(_tokens, encodings, texts, places)))

    return Reply(body=await call.in_thread(body))


async def detokenize(call: Call) -> Reply:
    """Texts of token ids."""
    request = decode(DECODE, await call.body())
    model = any_model(call, request.model)
    values = request.ids
    if not values:
        raise Problem(400, "empty_input", "ids: the list is empty", "ids")
    lists: list[Any] = list(values) if isinstance(values[0], list) else [values]
    if any(not isinstance(ids, list) or any(isinstance(t, list) for t in ids) for ids in lists):
        raise Problem(
            400, "invalid_field", "ids are token ids, or lists of token ids, not a mixture", "ids"
        )
    check_ids(lists, model, "ids")
    tokenizer = model.engine.encoder.tokenizer
    skip = request.skip_special_tokens

    def body() -> bytes:
        return orjson.dumps([tokenizer.decode(ids, skip_special_tokens=skip) for ids in lists])

    return Reply(body=await call.in_thread(body))


def any_model(call: Call, name: str | None) -> Served:
    """The model of a name; without one the embedder, or the only model."""
    state = call.state
    if name is None and sum(m.kind == "embed" for m in state.models.table.values()) == 1:
        return state.pick(None, "embed")
    return state.pick(name, *ALL_KINDS)


def _tokens(encoding: Any, text: str, places: IntArray) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for token, name, (start, stop), special in zip(
        encoding.ids, encoding.tokens, places.tolist(), encoding.special_tokens_mask, strict=True
    ):
        if special:
            found.append({"id": token, "text": name, "special": True, "start": None, "stop": None})
        else:
            part = {"text": text[start:stop], "special": False, "start": start, "stop": stop}
            found.append({"id": token, **part})
    return found

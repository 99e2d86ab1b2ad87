"""Classes of texts and pairs, for clients of text-embeddings-inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from xlt.core.tasks.examples import Pair
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.result import Result
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.tei import types as schemas
from xlt.serve.routes.tei.form import invalid, named, operation, side

__all__ = ["OPERATIONS", "pair_of", "predict", "scores_of"]

PREDICT = decoder(schemas.TeiPredictRequest)


async def predict(call: Call) -> Reply:
    """Class scores. A list of two strings is one pair, not two texts."""
    request = decode(PREDICT, await call.body())
    model = call.state.pick(named(call, request.model), "pair")
    pairs, single = _pairs_of(request.inputs)
    truncate = side(request.truncate, request.truncation_direction)
    result = await call.compute(model, pairs, truncate=truncate)
    result.whole()
    function = "none" if request.raw_scores else "softmax"
    answers = [scores_of(result, index, function) for index in range(len(pairs))]
    return Reply(body=orjson.dumps(answers[0] if single else answers))


def scores_of(result: Result, index: int, function: str) -> list[dict[str, Any]]:
    """Classes of one input, best first.

    Args:
        result: whole.
        index: of the input.
        function: softmax, sigmoid, or none for the logits as they are.
    """
    logits_C = np.asarray(result.outputs[index]["logits"], np.float64)
    if function == "softmax":
        values = result.predictions[index].probabilities.tolist()
    elif function == "sigmoid":
        values = (1 / (1 + np.exp(-logits_C))).tolist()
    else:
        values = result.outputs[index]["logits"].tolist()
    labels = result.model.bundle.task.labels
    found = [{"score": s, "label": n} for s, n in zip(values, labels, strict=True)]
    return sorted(found, key=lambda entry: -entry["score"])


def _pairs_of(value: str | list[Any]) -> tuple[list[Pair], bool]:
    """Pairs, and whether the request was for a single one."""
    if isinstance(value, str):
        return [pair_of([value])], True
    if not value:
        raise Problem(400, "empty_input", "inputs: the list is empty", "inputs")
    if all(isinstance(part, str) for part in value):
        return [pair_of(value)], True
    if not all(isinstance(part, list) for part in value):
        raise invalid("inputs is a text, a pair, or a list of one- or two-text lists", "inputs")
    if len(value) > MAX_ITEMS:
        raise invalid(f"{len(value)} inputs; at most {MAX_ITEMS} are taken", "inputs")
    return [pair_of(part) for part in value], False


def pair_of(texts: Sequence[str]) -> Pair:
    """A pair of one or two texts.

    Raises:
        Problem: 422 for another number, 400 for an empty text.
    """
    if not 1 <= len(texts) <= 2:
        raise invalid(
            f"an input has {len(texts)} texts, not one or two; a batch is a list of lists", "inputs"
        )
    if not all(texts):
        raise Problem(400, "empty_input", "an input is an empty text", "inputs")
    return Pair(id="", text_a=texts[0], text_b=texts[1] if len(texts) == 2 else None)


OPERATIONS: list[Operation[Call]] = [
    operation("/predict", predict, "tei_predict", "Class scores of a text or a pair.",
              kinds=("pair",), request=schemas.TeiPredictRequest,
              response=list[schemas.TeiScore | list[schemas.TeiScore]],
              example={"inputs": [["The cat sleeps.", "An animal rests."]]}),
]  # fmt: skip

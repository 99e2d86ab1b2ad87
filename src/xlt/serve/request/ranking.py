"""Documents by their cosine with a query, for every protocol that ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.serve.compute.served import Served
from xlt.serve.request.call import Call
from xlt.serve.request.reading import Reading
from xlt.serve.request.result import Result
from xlt.serve.request.vectors import check_count, comparable, cosines

__all__ = ["ranked"]


async def ranked(
    call: Call, model: Served, query: str, documents: Sequence[str], reading: Reading
) -> tuple[Result, list[tuple[int, float]]]:
    """Places of the documents with their cosines, best first; equal ones keep their order.

    Raises:
        Problem: too many documents, or the model failed on one.
    """
    check_count(1 + len(documents))
    inputs = reading.texts([query, *documents], model)
    result = await call.compute(
        model, inputs.items, truncate=reading.truncate, encode=inputs.encode
    )
    vectors = comparable(result, inputs.items)
    scores = cosines(vectors[:1], vectors[1:])[0]
    order = np.argsort(-scores, kind="stable").tolist()
    return result, [(index, float(scores[index])) for index in order]

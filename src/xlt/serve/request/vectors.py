"""Vectors of a request's texts, and their way into JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from xlt.core.kinds.embed import SENTENCE
from xlt.core.kinds.embed import pooled as pool
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.result import Result

__all__ = [
    "Vectors",
    "check_count",
    "comparable",
    "cosines",
    "cut",
    "fragment",
    "pooled",
    "stacked",
    "width_of",
]

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def check_count(n_items: int) -> None:
    """Refuse more items in all lists together than one list may hold.

    Raises:
        Problem: 400.
    """
    if n_items > MAX_ITEMS:
        raise Problem(
            400, "too_many_items", f"{n_items} texts in all; at most {MAX_ITEMS} are taken"
        )


def fragment(value: Any) -> orjson.Fragment:
    """JSON of one row. A long answer made in one go would hold up every other thread."""
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def stacked(result: Result) -> Vectors:
    """The vectors of a result as float32 (N, D).

    Raises:
        Problem: 500 when the model failed on one of the texts.
    """
    return np.asarray(result.whole(), dtype=np.float32)


def pooled(result: Result) -> Vectors:
    """The vectors as the model pools them, before they are scaled to length 1, float32 (N, D).

    Args:
        result: of an embedder that fetches its last hidden state, or of its `by_token` form.

    Raises:
        Problem: 500 when the model failed on one of the texts.
    """
    predictions = result.whole()
    engine = result.model.engine
    if not engine.per_token:
        return np.stack([output[SENTENCE] for output in result.outputs])
    pooling = engine.bundle.pooling
    return np.stack(
        [engine.head(pool({"": vec_LD}, len(vec_LD), pooling)) for vec_LD in predictions]
    )


def comparable(result: Result, texts: Sequence[str]) -> Vectors:
    """The vectors of texts that are to be compared, float32 (N, D): equal texts have equal bits.

    A GPU may give one text other bits in other batches, which would put equal texts in an order.

    Raises:
        Problem: 500 when the model failed on one of the texts.
    """
    vectors = stacked(result)
    first: dict[str, int] = {}
    place_of = [first.setdefault(text, place) for place, text in enumerate(texts)]
    return vectors if len(first) == len(texts) else vectors[place_of]


def cosines(x_ND: Vectors, y_MD: Vectors) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Cosines of unit vectors (N, M); those of equal vectors are equal to the last bit.

    The kernels of a matrix product round a row by its place, so each distinct one is taken once.
    """
    (x_rows, x_of), (y_rows, y_of) = _distinct(x_ND), _distinct(y_MD)
    products = x_ND[x_rows].astype(np.float64) @ y_MD[y_rows].astype(np.float64).T
    return np.clip(products, -1.0, 1.0)[np.ix_(x_of, y_of)]


def _distinct(vectors: Vectors) -> tuple[list[int], list[int]]:
    """Places of the first of equal rows, and for each row which of these it equals."""
    number: dict[bytes, int] = {}
    rows: list[int] = []
    number_of = []
    for place, vector in enumerate(vectors):
        key = vector.tobytes()
        if key not in number:
            number[key] = len(rows)
            rows.append(place)
        number_of.append(number[key])
    return rows, number_of


def cut(vectors: Vectors, width: int | None, *, unit: bool = True) -> Vectors:
    """The first `width` numbers of each vector, with `unit` of length 1 again; "<f4"."""
    if width is not None and width < vectors.shape[1] and not unit:
        vectors = vectors[:, :width]
    elif width is not None and width < vectors.shape[1]:
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

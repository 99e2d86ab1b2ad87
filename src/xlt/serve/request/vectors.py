"""Vectors of a request's texts, and their way into JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.result import Result

__all__ = ["Vectors", "check_count", "cosines", "cut", "fragment", "stacked", "width_of"]

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


def cosines(x_ND: Vectors, y_MD: Vectors) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Cosines of unit vectors (N, M)."""
    return np.clip(x_ND.astype(np.float64) @ y_MD.astype(np.float64).T, -1.0, 1.0)


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

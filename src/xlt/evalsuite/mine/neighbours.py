"""Nearest neighbours of two sets of vectors: exact, or by an index that is held to exact search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.retrieval.knn import Neighbours, nearest, nearest_both
from xlt.core.show import terminal as show

__all__ = ["INDEXES", "Found", "find_neighbours"]

INDEXES = ("flat", "ivf", "hnsw")
SAMPLE = 256  # queries a side that are also searched exactly
TIE = 1e-6  # similarities this close are equal

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Neighbours in both directions; `recall`, in percent, of an approximate index on a sample."""

    forward: Neighbours
    backward: Neighbours
    recall: float | None = None
    sample: int = 0


def find_neighbours(x_ND: Array, y_MD: Array, k: int, *, index: str, threads: int) -> Found:
    """The `k` nearest rows of the other side, for each row of both sides.

    Args:
        x_ND: unit rows.
        y_MD: unit rows of the same width.
        k: how many.
        index: flat (exact), ivf or hnsw (FAISS).
        threads: of FAISS.

    Raises:
        MissingExtra: FAISS is not installed.
    """
    if index == "flat":
        with show.progress("search", len(x_ND), "texts") as tick:
            forward, backward = nearest_both(x_ND, y_MD, k, tick=tick)
        return Found(forward=forward, backward=backward)
    from xlt.evalsuite.mine.ann import search

    with show.progress(f"search by {index}", len(x_ND) + len(y_MD), "texts") as tick:
        forward = search(x_ND, y_MD, k, index=index, threads=threads, tick=tick)
        backward = search(y_MD, x_ND, k, index=index, threads=threads, tick=tick)
    hits, wanted, sample = 0, 0, 0
    for queries, base, found in ((x_ND, y_MD, forward), (y_MD, x_ND, backward)):
        rows = np.unique(np.linspace(0, len(queries) - 1, SAMPLE).astype(np.int64))
        exact_NK, _ = nearest(np.asarray(queries[rows]), base, k)
        hits += int(np.sum(found[0][rows] >= exact_NK[:, -1:] - TIE))
        wanted += exact_NK.size
        sample += len(rows)
    recall = 100 * hits / wanted
    return Found(forward=forward, backward=backward, recall=recall, sample=sample)

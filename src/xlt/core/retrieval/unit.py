"""Vectors of length 1: the one place that scales them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError

__all__ = ["each_unit", "squared_norms", "unit_rows", "unit_vector"]

Array = NDArray[Any]
ROWS = 4096  # scaled at a time
AT_ONCE = 64  # rows whose copies in float64 stay in a processor's cache
UNIT_TOLERANCE = 1e-6


def unit_vector(vector: NDArray[Any]) -> NDArray[np.float32]:
    """A vector (D,) scaled to length 1; a zero vector stays zero."""
    values = vector.astype(np.float64)
    length = math.sqrt(np.add.reduce(values * values))
    return (values / length if length > 0 else values).astype(np.float32)


def each_unit(vec_ND: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors (N, D), each scaled to length 1: the bits that `unit_vector` gives one of them."""
    unit_ND = np.empty(vec_ND.shape, np.float32)
    for start in range(0, len(vec_ND), AT_ONCE):
        values_RD = vec_ND[start : start + AT_ONCE].astype(np.float64)
        length_R = np.sqrt(np.add.reduce(values_RD * values_RD, axis=1))
        length_R[length_R == 0] = 1.0
        unit_ND[start : start + AT_ONCE] = values_RD / length_R[:, None]
    return unit_ND


def unit_rows(vec_ND: Array) -> Array:
    """Rows divided by their L2 norm, float32; zero rows stay. The input itself when it is so.

    Raises:
        DataError: a value is not finite; the row is named.
    """
    norms_N = np.sqrt(squared_norms(vec_ND))
    if vec_ND.dtype == np.float32 and np.all(np.abs(norms_N - 1) < UNIT_TOLERANCE):
        return vec_ND
    norms_N[norms_N == 0] = 1
    unit_ND = np.empty(vec_ND.shape, dtype=np.float32)
    for start in range(0, len(vec_ND), ROWS):
        rows = slice(start, start + ROWS)
        unit_ND[rows] = vec_ND[rows] / norms_N[rows, None]
    return unit_ND


def squared_norms(vec_ND: Array) -> NDArray[np.float64]:
    """Squared L2 norms, in float64.

    Raises:
        DataError: a value is not finite; the row is named.
    """
    if vec_ND.ndim != 2:
        raise DataError(f"embeddings of shape {vec_ND.shape}", "needed: one row a sentence")
    squared_N = np.empty(len(vec_ND))
    for start in range(0, len(vec_ND), ROWS):
        block = vec_ND[start : start + ROWS].astype(np.float64)
        squared_N[start : start + ROWS] = np.einsum("nd,nd->n", block, block)
    if not np.isfinite(squared_N).all():
        row = int(np.flatnonzero(~np.isfinite(squared_N))[0])
        raise DataError(
            f"the embedding of row {row} is not finite", "look at the model's output for that text"
        )
    return squared_N

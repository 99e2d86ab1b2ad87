"""Rounding of a weight that makes up for its own errors on real activations.

Rounding to the nearest number treats each weight alone. Here the weight's rows are rounded one
after the other, and what each rounding changed in the layer's output is taken back, as far as
possible, by the rows that are still to come (OBQ, Frantar and Alistarh 2022, arXiv 2208.11580;
in fixed order as in GPTQ, arXiv 2210.17323). It costs nothing when the graph runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["compensated"]

Float = NDArray[np.float32]
DAMPING = 0.05  # of the mean diagonal: calibration is not all the text there is
BLOCK = 64


def compensated(weight_KN: Float, scale_N: Float, gram_KK: Float, limit: int) -> NDArray[np.int8]:
    """Integers (K, N) within +-`limit` whose products with an activation are near the weight's.

    Args:
        weight_KN: the weight.
        scale_N: of each column.
        gram_KK: products of the activation's columns, summed over its rows.
        limit: 64 or 127.
    """
    size_K = np.diag(gram_KK)
    order_K = np.argsort(-size_K, kind="stable")  # what weighs most is rounded first
    sorted_KK = gram_KK[np.ix_(order_K, order_K)].astype(np.float64)
    sorted_KK[np.diag_indices_from(sorted_KK)] += DAMPING * max(float(size_K.mean()), 1e-12)
    inverse_KK = np.linalg.inv(sorted_KK)
    upper_KK = np.linalg.cholesky(inverse_KK).T
    left_KN = weight_KN[order_K].astype(np.float64)
    whole_KN = np.empty(left_KN.shape, np.int8)
    for start in range(0, len(left_KN), BLOCK):
        stop = min(start + BLOCK, len(left_KN))
        errors_BN = np.empty((stop - start, left_KN.shape[1]))
        for row in range(start, stop):
            whole_N = np.clip(np.rint(left_KN[row] / scale_N), -limit, limit)
            whole_KN[row] = whole_N
            error_N = (left_KN[row] - whole_N * scale_N) / upper_KK[row, row]
            errors_BN[row - start] = error_N
            left_KN[row + 1 : stop] -= np.outer(upper_KK[row, row + 1 : stop], error_N)
        left_KN[stop:] -= upper_KK[start:stop, stop:].T @ errors_BN
    found_KN = np.empty_like(whole_KN)
    found_KN[order_K] = whole_KN
    return found_KN

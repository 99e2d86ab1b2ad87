"""Many tests at once: family-wise error by Holm, false discovery rate by Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.core.errors import UsageError

__all__ = ["benjamini_hochberg", "holm"]


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values: rejecting those <= alpha keeps any false rejection at alpha. Holm 1979."""
    order, sorted_N = _sorted(p)
    steps_N = np.arange(len(p), 0, -1) * sorted_N
    return _restore(order, np.minimum(1, np.maximum.accumulate(steps_N)))


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p values: of those <= q, a share of q is false on average. Benjamini, Hochberg 1995.

    Holds for independent and positively dependent tests, as those of parallel languages are.
    """
    order, sorted_N = _sorted(p)
    steps_N = len(p) / np.arange(1, len(p) + 1) * sorted_N
    return _restore(order, np.minimum(1, np.minimum.accumulate(steps_N[::-1])[::-1]))


def _sorted(p: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    values_N = np.asarray(p, dtype=np.float64)
    wrong = [value for value in values_N if not 0 <= value <= 1]
    if wrong:
        raise UsageError(f"{wrong[0]} is not a p value", "p lies between 0 and 1")
    order = np.argsort(values_N, kind="stable")
    return order, values_N[order]


def _restore(order: np.ndarray, values_N: np.ndarray) -> list[float]:
    adjusted_N = np.empty_like(values_N)
    adjusted_N[order] = values_N
    return [float(value) for value in adjusted_N]

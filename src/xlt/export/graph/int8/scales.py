"""Scales of 8-bit numbers, in numpy: columns of weights, static scales, and what moves between.

A weight is int8 with one scale a column; an activation is uint8 around a zero point, with one
scale for all (static) or one for each row. Columns of an activation whose numbers are large hand
a part of their size to the weight's row (SmoothQuant, Xiao et al. 2023, arXiv 2211.10438).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "byte_error", "quantize_columns", "smoothing", "static_scale", "zero_point"]

Float = NDArray[np.float32]
CLIPS = np.linspace(0.7, 1.0, 13)
SHARES = np.linspace(0.25, 1.05, 33)
ZERO_POINTS = (128, 96, 64, 48, 32, 24, 16, 12, 8)
TINY = 1e-12


class Columns:
    """A weight in 8 bits: int8 (K, N) and the scale of each column (N,)."""

    __slots__ = ("scale_N", "weight_KN")

    def __init__(self, weight_KN: NDArray[np.int8], scale_N: Float) -> None:
        self.weight_KN, self.scale_N = weight_KN, scale_N


def quantize_columns(weight_KN: Float, limit: int) -> Columns:
    """Round a weight to integers within +-`limit`, each column on a scale of its own.

    The scale is the one of 13, from .7 to 1 times the column's largest number over the limit, with
    the smallest squared error.

    Args:
        weight_KN: the weight.
        limit: 64 or 127.
    """
    largest_N = np.abs(weight_KN).max(axis=0)
    best_N = np.full(largest_N.shape, np.inf)
    scale_N = np.maximum(largest_N / limit, TINY)
    for clip in CLIPS:
        tried_N = np.maximum(largest_N * clip / limit, TINY)
        whole_KN = np.clip(np.rint(weight_KN / tried_N), -limit, limit)
        error_N = np.square(whole_KN * tried_N - weight_KN).sum(axis=0)
        better_N = error_N < best_N
        best_N[better_N], scale_N[better_N] = error_N[better_N], tried_N[better_N]
    whole_KN = np.clip(np.rint(weight_KN / scale_N), -limit, limit)
    return Columns(whole_KN.astype(np.int8), scale_N.astype(np.float32))


def smoothing(largest_K: Float, weight_KN: Float, share: float) -> Float:
    """What each column of an activation is divided by: largest^a / |weight row|^(1 - a).

    Args:
        largest_K: the largest magnitude of each column, from calibration.
        weight_KN: every weight that reads the activation, side by side.
        share: a, between 0 and 1.

    Returns:
        Factors (K,) whose geometric mean is 1.
    """
    row_K = np.maximum(np.abs(weight_KN).max(axis=1), 1e-5)
    floor = max(float(largest_K.max()) * 1e-4, 1e-6)
    factor_K = np.maximum(largest_K, floor) ** share / row_K ** (1 - share)
    mean = float(np.exp(np.log(factor_K).mean()))
    return np.asarray(factor_K / mean, np.float32)


def static_scale(sample_RK: Float, weight_K: Float, zero: int = 128) -> float:
    """One scale for all rows: the smallest squared error of the product over 33 candidates.

    Args:
        sample_RK: rows of the activation.
        weight_K: how much an error in each column counts: the squared norm of its weight row.
        zero: the zero point; numbers lie within -zero .. 255 - zero.
    """
    sides = (-float(sample_RK.min()) / zero, float(sample_RK.max()) / (255 - zero))
    full = max(*sides, TINY)
    errors = [byte_error(sample_RK, full * share, weight_K, zero) for share in SHARES]
    return full * float(SHARES[int(np.argmin(errors))])


def byte_error(sample_RK: Float, scale: float | Float, weight_K: Float, zero: int = 128) -> float:
    """Weighted squared error of rounding an activation to bytes."""
    byte_RK = np.clip(np.rint(sample_RK / scale), -zero, 255 - zero)
    return float((np.square(byte_RK * scale - sample_RK).sum(axis=0) * weight_K).sum())


def zero_point(sample_RK: Float, weight_K: Float, lowest: float) -> int:
    """The zero point with the smallest error where each row has a scale of its own.

    An activation such as GELU is never far below zero: a low zero point leaves more of the byte
    to the numbers above it.

    Args:
        sample_RK: rows of the activation.
        weight_K: as for `static_scale`.
        lowest: the activation's smallest possible value, below zero or zero.
    """
    top_R1 = sample_RK.max(axis=1, keepdims=True)
    errors = {
        zero: byte_error(sample_RK, row_scale(top_R1, lowest, zero), weight_K, zero)
        for zero in ZERO_POINTS
    }
    return min(errors, key=lambda zero: errors[zero])


def row_scale(top_R1: Float, lowest: float, zero: int) -> Float:
    """Scales of rows by their largest number, wide enough for the smallest one."""
    floor = max(-lowest / zero, TINY)
    return np.maximum(top_R1 / (255 - zero), floor).astype(np.float32)

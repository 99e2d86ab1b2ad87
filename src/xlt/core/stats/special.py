"""The normal and Student's t distribution: tail areas and quantiles, with nothing but `math`.

Source: the continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8,
evaluated by Lentz's method).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = ["normal_cdf", "normal_quantile", "t_cdf", "t_quantile"]

STANDARD = NormalDist()
TINY, PRECISION, MOST_STEPS = 1e-300, 1e-15, 10_000


def normal_cdf(x: float) -> float:
    """P(Z <= x) of the standard normal distribution."""
    return STANDARD.cdf(x)


def normal_quantile(p: float) -> float:
    """The x with P(Z <= x) = p; minus or plus infinity at 0 and 1."""
    if p <= 0 or p >= 1:
        return -math.inf if p <= 0 else math.inf
    return STANDARD.inv_cdf(p)


def t_cdf(x: float, df: float) -> float:
    """P(T <= x) of Student's t with `df` degrees of freedom (any positive number, or infinity)."""
    if math.isinf(df) or math.isinf(x):
        return normal_cdf(x)
    square = x * x
    if square < df:  # near the middle the tail would be a difference of near numbers
        half = 0.5 * _incomplete_beta(square / (df + square), 0.5, df / 2)
        return 0.5 - half if x < 0 else 0.5 + half
    tail = 0.5 * _incomplete_beta(df / (df + square), df / 2, 0.5)
    return tail if x < 0 else 1 - tail


@lru_cache(maxsize=1 << 14)  # the same levels and degrees of freedom come again and again
def t_quantile(p: float, df: float) -> float:
    """The x with P(T <= x) = p."""
    if math.isinf(df) or p <= 0 or p >= 1:
        return normal_quantile(p)
    if p < 0.5:
        return -t_quantile(1 - p, df)
    log_height = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    x = 0.0
    for _ in range(MOST_STEPS):
        # right of 0 the curve is concave, so Newton's steps rise to x and never pass it
        density = math.exp(log_height - (df + 1) / 2 * math.log1p(x * x / df))
        step = (p - t_cdf(x, df)) / density
        x += step
        if abs(step) <= 1e-13 * max(1.0, x):
            break
    return x


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            step = c * d
            fraction *= step
        if abs(step - 1) < PRECISION:
            break
    return front * fraction


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY

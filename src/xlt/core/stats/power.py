"""How large an effect must be to be seen: what "no difference found" can and cannot mean."""

from __future__ import annotations

import math

from xlt.core.stats.special import t_quantile

__all__ = ["ALPHA", "POWER", "detectable"]

ALPHA, POWER = 0.05, 0.8


def detectable(
    error: float,
    *,
    df: float = math.inf,
    tests: int = 1,
    alpha: float = ALPHA,
    power: float = POWER,
) -> float:
    """The smallest true difference that a two-sided test finds with probability `power`.

    Args:
        error: standard error of the difference, in points.
        df: degrees of freedom of that error; infinity for many items.
        tests: how many tests share `alpha` (the first step of Holm's correction).
        alpha: share of false alarms allowed.
        power: share of true differences found.

    Returns:
        Points: (t_(1 - alpha / 2 tests) + t_power) * error, the usual approximation.
    """
    return (t_quantile(1 - alpha / (2 * tests), df) + t_quantile(power, df)) * error

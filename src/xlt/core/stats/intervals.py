"""Intervals of one score: clusters of items drawn with replacement (percentile and BCa bootstrap).

They say how far a score of *this checkpoint* may move with other test items of the same kind;
training again with another seed is another matter (`xlt.core.stats.seeds`). Source: Efron 1987
for BCa; Clopper and Pearson 1934 at 0 and 100 percent, where a bootstrap has no width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import UsageError
from xlt.core.stats.clusters import Score, Sums, bootstrap_sums, leave_one_out
from xlt.core.stats.special import normal_cdf, normal_quantile

__all__ = ["LEVEL", "METHODS", "SAMPLES", "Interval", "bca", "bca_bounds", "interval", "percentile"]

LEVEL = 0.95
SAMPLES = 2000
METHODS = ("bca", "percentile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a number may lie.

    Attributes:
        estimate: the number itself, in percent or points.
        low: lower bound.
        high: upper bound.
        clusters: how many independent things were drawn.
        method: how the bounds were found: one of `METHODS`, "exact" where every cluster is alike,
            "unknown" with a single cluster, which could be anything.
        level: share of such intervals that hold the true value.
    """

    estimate: float
    low: float
    high: float
    clusters: int
    method: str
    level: float = LEVEL

    def __str__(self) -> str:
        return f"{self.estimate:.1f} [{self.low:.1f}, {self.high:.1f}]"

    def to_json(self) -> dict[str, float | int | str]:
        """Bounds, clusters and method, as they stand in results.json."""
        return {
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "clusters": self.clusters,
            "method": self.method,
        }


def interval(
    sums_GS: Sums,
    score: Score,
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    samples: int = SAMPLES,
    method: str = "bca",
    bounded: bool = True,
) -> Interval:
    """The interval of a score in percent, or of a difference in points.

    Args:
        sums_GS: counts summed per cluster.
        score: sums_...S -> percent.
        rng: the only source of randomness; the same state gives the same interval.
        level: e.g. 0.95.
        samples: bootstrap samples.
        method: one of `METHODS`.
        bounded: whether the number is a percentage, so that all clusters are alike at 0 and 100.

    Raises:
        UsageError: no clusters, or an unknown method.
    """
    if method not in METHODS:
        raise UsageError(f"unknown interval method {method!r}", "known: " + " ".join(METHODS))
    if len(sums_GS) == 0:
        raise UsageError("an interval of no items", "score something first")
    estimate = float(score(sums_GS.sum(axis=0)))
    clusters = len(sums_GS)
    if clusters == 1:  # nothing to tell the spread from
        low, high = (0.0 if bounded else -100.0), 100.0
        method = "unknown"
    elif bounded and estimate in (0.0, 100.0):
        low, high = _at_the_end(estimate, clusters, level)
        method = "exact"
    else:
        drawn_B = score(bootstrap_sums(sums_GS, samples, rng))
        if method == "bca":
            without_RS, counts_R = leave_one_out(sums_GS)
            low, high = bca(drawn_B, estimate, score(without_RS), counts_R, level)
        else:
            low, high = percentile(drawn_B, level)
    return Interval(
        estimate=estimate, low=low, high=high, clusters=clusters, method=method, level=level
    )


def percentile(drawn_B: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of the bootstrap scores."""
    low, high = np.quantile(drawn_B, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca(
    drawn_B: NDArray[np.float64],
    estimate: float,
    without_R: NDArray[np.float64],
    counts_R: NDArray[np.int64],
    level: float = LEVEL,
) -> tuple[float, float]:
    """Bias-corrected and accelerated bounds.

    Args:
        drawn_B: bootstrap scores.
        estimate: the score itself.
        without_R: scores without one cluster.
        counts_R: how many clusters give each of them.
        level: e.g. 0.95.
    """
    mean = float(np.average(without_R, weights=counts_R))
    apart_R = mean - without_R
    spread = float((counts_R * apart_R**2).sum())
    acceleration = float((counts_R * apart_R**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    return bca_bounds(drawn_B, estimate, acceleration, level)


def bca_bounds(
    drawn_B: NDArray[np.float64], estimate: float, acceleration: float, level: float = LEVEL
) -> tuple[float, float]:
    """Bounds of Efron's formula for a given acceleration (skewness over 6)."""
    below = float((drawn_B < estimate).mean() + (drawn_B == estimate).mean() / 2)
    edge = 0.5 / len(drawn_B)
    bias = normal_quantile(min(1 - edge, max(edge, below)))
    bounds = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal_quantile(share)
        bounds.append(normal_cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(drawn_B, bounds)
    return float(low), float(high)


def _at_the_end(estimate: float, clusters: int, level: float) -> tuple[float, float]:
    """All clusters alike: the bound at which so many alike are as rare as the level allows."""
    near = 100 * ((1 - level) / 2) ** (1 / clusters)
    return (near, 100.0) if estimate == 100.0 else (0.0, 100 - near)

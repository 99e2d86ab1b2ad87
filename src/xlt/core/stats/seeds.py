"""Settings trained with several seeds: the seed and the item are both drawn, crossed.

The mean difference of K seeds on G clusters varies with the seeds, with the items (which all
seeds share), and with both together. Small-sample t: the mean squares of the jackknife
pseudo-values split the variance into a part of the seeds and one of the items, and each has the
t quantile of its own degrees of freedom (Satterthwaite's single one for both gave three times
the false alarms allowed with 3 seeds). `benchmarks/calibration.py` decided for it.
Source: Graybill and Wang 1980 for bounds by parts; Owen 2007 for the crossed bootstrap.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import UsageError
from xlt.core.stats.clusters import Score, Sums, draw_weights
from xlt.core.stats.intervals import LEVEL, Interval, bca_bounds, percentile
from xlt.core.stats.power import ALPHA, POWER
from xlt.core.stats.special import t_quantile

__all__ = [
    "FEW_SEEDS",
    "METHODS",
    "SeedEffect",
    "Spread",
    "effect_of_values",
    "pseudo_values",
    "seed_effect",
    "sign_flip",
    "spread_of",
]

METHODS = ("t", "bca", "studentised", "percentile")
FEW_SEEDS = "t"
SAMPLES = 1999
LEAST_ERROR = 1e-9  # points; a resample without any variance says nothing about the others
MOST_FLIPS = 16
PRECISION = 1e-7  # of a p value, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEffect:
    """The mean over seeds of a score or of a difference.

    Attributes:
        interval: in percent or points; its `clusters` are those of items.
        seeds: how many.
        p: two-sided, of "the mean is zero"; from t, whatever the interval's method.
        error: standard error.
        detectable: the true difference that would be found four times of five.
        by_seed: the number of each seed.
    """

    interval: Interval
    seeds: int
    p: float
    error: float
    detectable: float
    by_seed: tuple[float, ...]


def seed_effect(
    sums_KGS: Sums,
    score: Score,
    rng: np.random.Generator,
    *,
    method: str = FEW_SEEDS,
    level: float = LEVEL,
    samples: int = SAMPLES,
) -> SeedEffect:
    """The mean over seeds with an interval for new seeds and new items.

    Args:
        sums_KGS: counts of each seed and cluster. For a difference give the columns of both
            settings side by side, and a score that subtracts; for a mean over languages all
            languages' columns, over clusters that they share.
        score: sums_...S -> percent or points.
        rng: used by the bootstrap methods only.
        method: one of `METHODS`.
        level: e.g. 0.95.
        samples: bootstrap samples.

    Raises:
        UsageError: fewer than two seeds or clusters, or an unknown method.
    """
    if method not in METHODS:
        raise UsageError(f"unknown interval method {method!r}", "known: " + " ".join(METHODS))
    seeds, clusters = sums_KGS.shape[:2]
    _check_spread(seeds, clusters)
    by_seed_K = score(sums_KGS.sum(axis=1))
    if method == "t":
        return effect_of_values(pseudo_values(sums_KGS, score), by_seed_K, level=level)
    estimate = float(by_seed_K.mean())
    values_KG = pseudo_values(sums_KGS, score)
    spread = spread_of(values_KG)
    draw = _draw(sums_KGS, score, rng, samples)
    if method == "percentile":
        low, high = percentile(draw.means, level)
    elif method == "bca":
        low, high = bca_bounds(draw.means, estimate, _acceleration(values_KG), level)
    else:
        low, high = _studentised(draw, values_KG, spread.error, level)
    return _effect(by_seed_K, clusters, spread, (low, high), method, level)


def effect_of_values(
    values_KG: NDArray[np.float64], by_seed_K: NDArray[np.float64], *, level: float = LEVEL
) -> SeedEffect:
    """The mean over seeds with the small-sample t interval, from pseudo-values.

    Pseudo-values of sums and differences of scores are sums and differences of pseudo-values over
    the union of their clusters, so that means over languages and tasks, contrasts and slopes need
    no more than this.

    Args:
        values_KG: what each cluster says about each seed's number.
        by_seed_K: the numbers themselves, in percent or points.
        level: e.g. 0.95.

    Raises:
        UsageError: fewer than two seeds or clusters.
    """
    _check_spread(*values_KG.shape)
    spread = spread_of(values_KG)
    half = spread.reach((1 + level) / 2)
    middle = float(by_seed_K.mean())
    bounds = middle - half, middle + half
    return _effect(by_seed_K, values_KG.shape[1], spread, bounds, "t", level)


def _check_spread(seeds: int, clusters: int) -> None:
    if seeds < 2 or clusters < 2:
        raise UsageError(
            f"{seeds} seeds and {clusters} clusters of items have no spread",
            "two or more of both are needed",
        )


def _effect(
    by_seed_K: NDArray[np.float64],
    clusters: int,
    spread: Spread,
    bounds: tuple[float, float],
    method: str,
    level: float,
) -> SeedEffect:
    estimate = float(by_seed_K.mean())
    low, high = bounds
    found = Interval(
        estimate=estimate, low=low, high=high, clusters=clusters, method=method, level=level
    )
    return SeedEffect(
        interval=found,
        seeds=len(by_seed_K),
        p=spread.p(estimate),
        error=spread.error,
        detectable=spread.reach(1 - ALPHA / 2) + spread.reach(POWER),
        by_seed=tuple(float(value) for value in by_seed_K),
    )


def pseudo_values(sums_KGS: Sums, score: Score) -> NDArray[np.float64]:
    """What each cluster says about each seed's score: jackknife pseudo-values_KG, in points.

    For a mean they are the clusters' own values; for other scores their linear part.
    """
    clusters = sums_KGS.shape[1]
    total_K1S = sums_KGS.sum(axis=1, keepdims=True)
    whole_K1 = score(total_K1S)
    without_KG = score(total_K1S - sums_KGS)
    return np.asarray(whole_K1 * clusters - (clusters - 1) * without_KG)


def sign_flip(by_seed: tuple[float, ...]) -> tuple[float, float]:
    """Exact two-sided p of "the seeds' differences are symmetric about zero", and its floor.

    With K seeds no p is below 2 / 2^K: 5 seeds cannot reach .05 (.0625), 6 can (.031).

    Raises:
        UsageError: more seeds than can be counted out.
    """
    if len(by_seed) > MOST_FLIPS:
        raise UsageError(f"{len(by_seed)} seeds are too many to flip", f"at most {MOST_FLIPS}")
    values_K = np.array(by_seed)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values_K))))
    sums = np.abs(signs @ values_K)
    return float((sums >= sums[0] - LEAST_ERROR).mean()), 2 / len(signs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of the mean over seeds and clusters, in two parts.

    Attributes:
        seed: of the seeds, their meeting with the items included; `seed_df` degrees of freedom.
        item: of the items that all seeds share, beyond that; `item_df` degrees of freedom.
        error: square root of both together.
    """

    seed: float
    seed_df: int
    item: float
    item_df: int
    error: float

    def reach(self, p: float) -> float:
        """How far from the mean the quantile p lies."""
        seed, item = t_quantile(p, self.seed_df), t_quantile(p, self.item_df)
        return math.sqrt(seed * seed * self.seed + item * item * self.item)

    def p(self, estimate: float) -> float:
        """Two-sided p of a mean of zero: the level at which the interval ends there."""
        if abs(estimate) < LEAST_ERROR or self.error < LEAST_ERROR:
            return float(abs(estimate) < LEAST_ERROR)
        low, high = 0.0, 1.0
        while high - low > PRECISION * high:
            middle = (low + high) / 2
            inside = self.reach(1 - middle / 2) > abs(estimate)
            low, high = (middle, high) if inside else (low, middle)
        return high


def spread_of(values_KG: NDArray[np.float64]) -> Spread:
    """Variance of the mean of pseudo-values, seeds and items apart."""
    seeds, clusters = values_KG.shape
    grand = values_KG.mean()
    by_seed = clusters * ((values_KG.mean(axis=1) - grand) ** 2).sum()
    by_item = seeds * ((values_KG.mean(axis=0) - grand) ** 2).sum()
    rest = max(0.0, float(((values_KG - grand) ** 2).sum() - by_seed - by_item))
    square_seed = float(by_seed) / (seeds - 1)
    square_item = float(by_item) / (clusters - 1)
    beyond = max(0.0, square_item - rest / ((seeds - 1) * (clusters - 1)))
    both = seeds * clusters
    return Spread(
        seed=square_seed / both,
        seed_df=seeds - 1,
        item=beyond / both,
        item_df=clusters - 1,
        error=math.sqrt((square_seed + beyond) / both),
    )


def _acceleration(values_KG: NDArray[np.float64]) -> float:
    """Skewness of both levels together: seeds by their means, clusters by theirs."""
    parts = [
        (values - values.mean()) / len(values)
        for values in (values_KG.mean(axis=1), values_KG.mean(axis=0))
    ]
    squares = sum(float((part**2).sum()) for part in parts)
    cubes = sum(float((part**3).sum()) for part in parts)
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """Weights of seeds_BK and items_BG in each sample, the means_B under them, and without."""

    seeds: NDArray[np.float64]
    items: NDArray[np.float64]
    means: NDArray[np.float64]
    estimate: float


def _draw(sums_KGS: Sums, score: Score, rng: np.random.Generator, samples: int) -> _Draw:
    """Draw seeds and clusters with replacement, each on its own: the crossed bootstrap."""
    seeds, clusters, width = sums_KGS.shape
    seed_BK, item_BG = (
        np.concatenate(list(draw_weights(np.ones(size, np.int64), samples, rng)))
        for size in (seeds, clusters)
    )
    flat_GX = sums_KGS.transpose(1, 0, 2).reshape(clusters, seeds * width)
    score_BK = score((item_BG @ flat_GX).reshape(samples, seeds, width))
    return _Draw(
        seeds=seed_BK,
        items=item_BG,
        means=(seed_BK * score_BK).sum(1) / seeds,
        estimate=float(score(sums_KGS.sum(axis=1)).mean()),
    )


def _studentised(
    draw: _Draw, values_KG: NDArray[np.float64], error: float, level: float
) -> tuple[float, float]:
    """Bounds from the distribution of (sample - estimate) / its own standard error."""
    seeds, clusters = values_KG.shape
    v, w = draw.seeds, draw.items
    seed_BK = w @ values_KG.T / clusters
    item_BG = v @ values_KG / seeds
    grand_B1 = (v * seed_BK).sum(1, keepdims=True) / seeds
    by_seed = clusters * (v * (seed_BK - grand_B1) ** 2).sum(1)
    by_item = seeds * (w * (item_BG - grand_B1) ** 2).sum(1)
    whole = (v * (w @ (values_KG**2).T)).sum(1) - seeds * clusters * grand_B1[:, 0] ** 2
    rest = np.maximum(0, whole - by_seed - by_item) / ((seeds - 1) * (clusters - 1))
    square = by_seed / (seeds - 1) + np.maximum(0, by_item / (clusters - 1) - rest)
    error_B = np.sqrt(square / (seeds * clusters))
    usable = error_B > LEAST_ERROR
    if not usable.any():
        return draw.estimate, draw.estimate
    t_B = (draw.means[usable] - draw.estimate) / error_B[usable]
    low, high = np.quantile(t_B, [(1 - level) / 2, (1 + level) / 2])
    return float(draw.estimate - high * error), float(draw.estimate - low * error)

"""Settings trained with several seeds: the seed and the item are both drawn, crossed.

The mean difference of K seeds on G clusters varies with the seeds, with the items (which all
seeds share), and with both together. Small-sample t: the three mean squares of the jackknife
pseudo-values give the variance, Satterthwaite the degrees of freedom. Which method the product
uses is decided by `benchmarks/calibration.py`.
Source: Satterthwaite 1946; Owen 2007 for the crossed bootstrap; Efron and Tibshirani 1993.
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
from xlt.core.stats.power import detectable
from xlt.core.stats.special import t_cdf, t_quantile

__all__ = ["FEW_SEEDS", "METHODS", "SeedEffect", "pseudo_values", "seed_effect", "sign_flip"]

METHODS = ("t", "bca", "studentised", "percentile")
FEW_SEEDS = "t"
SAMPLES = 1999
LEAST_ERROR = 1e-9  # points; a resample without any variance says nothing about the others
MOST_FLIPS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEffect:
    """The mean over seeds of a score or of a difference.

    Attributes:
        interval: in percent or points; its `clusters` are those of items.
        seeds: how many.
        p: two-sided, of "the mean is zero"; from t, whatever the interval's method.
        error: standard error.
        df: degrees of freedom of the error.
        detectable: the true difference that would be found four times of five.
        by_seed: the number of each seed.
    """

    interval: Interval
    seeds: int
    p: float
    error: float
    df: float
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
    if seeds < 2 or clusters < 2:
        raise UsageError(
            f"{seeds} seeds and {clusters} clusters of items have no spread",
            "two or more of both are needed",
        )
    by_seed_K = score(sums_KGS.sum(axis=1))
    estimate = float(by_seed_K.mean())
    values_KG = pseudo_values(sums_KGS, score)
    error, df = _crossed_error(values_KG)
    if method == "t":
        half = t_quantile((1 + level) / 2, df) * error
        low, high = estimate - half, estimate + half
    else:
        draw = _draw(sums_KGS, score, rng, samples)
        if method == "percentile":
            low, high = percentile(draw.means, level)
        elif method == "bca":
            low, high = bca_bounds(draw.means, estimate, _acceleration(values_KG), level)
        else:
            low, high = _studentised(draw, values_KG, estimate, error, level)
    found = Interval(
        estimate=estimate, low=low, high=high, clusters=clusters, method=method, level=level
    )
    ratio = math.inf if error < LEAST_ERROR else abs(estimate) / error
    p = 1.0 if abs(estimate) < LEAST_ERROR else 2 * t_cdf(-ratio, df)
    return SeedEffect(
        interval=found,
        seeds=seeds,
        p=p,
        error=error,
        df=df,
        detectable=detectable(error, df=df),
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


def _mean_squares(
    seed_K: NDArray[np.float64], item_G: NDArray[np.float64], values_KG: NDArray[np.float64]
) -> tuple[float, float, float]:
    seeds, clusters = values_KG.shape
    grand = values_KG.mean()
    by_seed = clusters * ((seed_K - grand) ** 2).sum()
    by_item = seeds * ((item_G - grand) ** 2).sum()
    rest = ((values_KG - grand) ** 2).sum() - by_seed - by_item
    return (
        float(by_seed / (seeds - 1)),
        float(by_item / (clusters - 1)),
        float(max(0.0, rest) / ((seeds - 1) * (clusters - 1))),
    )


def _crossed_error(values_KG: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error of the mean over seeds and clusters, and its degrees of freedom.

    Where the sum of the mean squares falls below one of them (chance, or no variance of a kind),
    that one alone is taken, with its degrees of freedom.
    """
    seeds, clusters = values_KG.shape
    squares = _mean_squares(values_KG.mean(axis=1), values_KG.mean(axis=0), values_KG)
    freedom = (seeds - 1, clusters - 1, (seeds - 1) * (clusters - 1))
    together = squares[0] + squares[1] - squares[2]
    largest = 0 if squares[0] >= squares[1] else 1
    if together <= squares[largest]:
        return math.sqrt(squares[largest] / (seeds * clusters)), float(freedom[largest])
    spread = sum(square**2 / df for square, df in zip(squares, freedom, strict=True))
    df = together**2 / spread
    return math.sqrt(together / (seeds * clusters)), max(float(seeds - 1), df)


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
    """Weights of seeds_BK and items_BG in each sample, and the means_B under them."""

    seeds: NDArray[np.float64]
    items: NDArray[np.float64]
    means: NDArray[np.float64]


def _draw(sums_KGS: Sums, score: Score, rng: np.random.Generator, samples: int) -> _Draw:
    """Draw seeds and clusters with replacement, each on its own: the crossed bootstrap."""
    seeds, clusters, width = sums_KGS.shape
    seed_BK, item_BG = (
        np.concatenate(list(draw_weights(np.ones(size, np.int64), samples, rng)))
        for size in (seeds, clusters)
    )
    flat_GX = sums_KGS.transpose(1, 0, 2).reshape(clusters, seeds * width)
    score_BK = score((item_BG @ flat_GX).reshape(samples, seeds, width))
    return _Draw(seeds=seed_BK, items=item_BG, means=(seed_BK * score_BK).sum(1) / seeds)


def _studentised(
    draw: _Draw, values_KG: NDArray[np.float64], estimate: float, error: float, level: float
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
    by_seed, by_item = by_seed / (seeds - 1), by_item / (clusters - 1)
    square = np.maximum(by_seed + by_item - rest, np.maximum(by_seed, by_item))
    error_B = np.sqrt(square / (seeds * clusters))
    usable = error_B > LEAST_ERROR
    if not usable.any():
        return estimate, estimate
    t_B = (draw.means[usable] - estimate) / error_B[usable]
    low, high = np.quantile(t_B, [(1 - level) / 2, (1 + level) / 2])
    return float(estimate - high * error), float(estimate - low * error)

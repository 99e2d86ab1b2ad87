"""Does the effect differ between two groups of languages? Units are branches and families.

Three things vary: which languages one has, the seeds, and the items. The languages are tested by
exchanging the units between the groups, all ways that there are; seeds and items by the
small-sample t interval. The interval of the difference has a part for each: the spread of the
units (Welch), what seeds and items add beyond what is in that spread already.
Source: Fisher's exact permutation test; Graybill and Wang 1980 for bounds by parts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xlt.core.stats.power import ALPHA, POWER
from xlt.core.stats.seeds import spread_of
from xlt.core.stats.special import t_quantile

__all__ = [
    "MOST_EXCHANGES",
    "Difference",
    "Exchanges",
    "difference",
    "exchange",
    "exchange_power",
]

MOST_EXCHANGES = 200_000
SAME = 1e-9
LEVEL = 0.95
PRECISION = 1e-6
MOST_TRIED, TRIALS = 2000, 500  # more exchanges are as good as a t test
Part = tuple[float, float]  # variance, degrees of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanges:
    """The permutation test over units.

    Attributes:
        estimate: mean of the first group minus mean of the second, averaged over tasks.
        p: two-sided.
        floor: the smallest p that so many units could give.
        ways: assignments of the units to groups of these sizes.
    """

    estimate: float
    p: float
    floor: float
    ways: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of effects between two groups of languages, in points.

    Attributes:
        exchanges: the test over languages.
        low: of the interval for other languages, seeds and items.
        high: of the same.
        p: the larger of the permutation's and the interval's.
        detectable: the difference that would be found four times of five, by the interval and by
            the exchanges; infinite where no exchange could be rare enough.
        parts: variance and degrees of freedom of what the interval is made of.
    """

    exchanges: Exchanges
    low: float
    high: float
    p: float
    detectable: float
    parts: tuple[Part, ...]


def exchange(effects_TU: NDArray[np.float64], first_U: NDArray[np.bool_]) -> Exchanges:
    """Test by exchanging units between the groups.

    Args:
        effects_TU: effect of each task in each unit; NaN where a task has no such language.
        first_U: which units are of the first group.
    """
    units, size = len(first_U), int(first_U.sum())
    there_TU = ~np.isnan(effects_TU)
    filled_TU = np.nan_to_num(effects_TU)

    def apart(chosen_BU: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", divide="ignore"):
            ones = (chosen_BU @ filled_TU.T) / (chosen_BU @ there_TU.T)
            others = ((1 - chosen_BU) @ filled_TU.T) / ((1 - chosen_BU) @ there_TU.T)
            both = ones - others
        usable = np.isfinite(both)
        return np.asarray(np.where(usable, both, 0).sum(1) / np.maximum(usable.sum(1), 1))

    ways = math.comb(units, size)
    floor = (2 if 2 * size == units else 1) / ways
    seen = float(apart(first_U[None].astype(float))[0])
    if ways > MOST_EXCHANGES:
        rng = np.random.default_rng(units)
        chosen = (rng.random((9999, units)).argsort(axis=1) < size).astype(float)
        p = (1 + int((np.abs(apart(chosen)) >= abs(seen) - SAME).sum())) / (1 + len(chosen))
        return Exchanges(estimate=seen, p=p, floor=1 / (1 + len(chosen)), ways=ways)
    chosen = _assignments(units, size)
    p = float((np.abs(apart(chosen)) >= abs(seen) - SAME).mean())
    return Exchanges(estimate=seen, p=p, floor=floor, ways=ways)


@lru_cache(maxsize=4)
def _assignments(units: int, size: int) -> NDArray[np.float64]:
    """All ways to choose the first group: a row each, 1 where a unit is in it."""
    places = np.array(list(itertools.combinations(range(units), size)), dtype=np.int64)
    chosen = np.zeros((len(places), units))
    np.put_along_axis(chosen, places.reshape(len(places), size), 1.0, axis=1)
    return chosen


def difference(
    values: Mapping[str, Sequence[NDArray[np.float64]]],
    effects_TU: NDArray[np.float64],
    first: Sequence[bool],
    whole_KG: NDArray[np.float64],
) -> Difference:
    """The difference with an interval for other languages, seeds and items.

    Args:
        values: "first" and "second" -> pseudo-values_KG of each of the group's units, averaged over
            tasks, over the same clusters.
        effects_TU: effect of each task in each unit.
        first: which units are of the first group.
        whole_KG: pseudo-values of the difference itself.
    """
    tested = exchange(effects_TU, np.array(first))
    parts = _parts(values, whole_KG)
    half = _reach(parts, (1 + LEVEL) / 2)
    return Difference(
        exchanges=tested,
        low=tested.estimate - half,
        high=tested.estimate + half,
        p=max(tested.p, _p(parts, tested.estimate)),
        detectable=_detectable(parts, tested, effects_TU, np.array(first)),
        parts=tuple(parts),
    )


def _detectable(
    parts: Sequence[Part],
    tested: Exchanges,
    effects_TU: NDArray[np.float64],
    first_U: NDArray[np.bool_],
) -> float:
    """What both tests would find: the interval's, or more where few units can be exchanged."""
    if tested.floor > ALPHA:
        return math.inf
    found = _reach(parts, 1 - ALPHA / 2) + _reach(parts, POWER)
    if tested.ways > MOST_TRIED:
        return found
    by_unit_U = np.nanmean(effects_TU, axis=0)
    apart = [by_unit_U[side] - by_unit_U[side].mean() for side in (first_U, ~first_U)]
    spread = math.sqrt(sum(float((one**2).sum()) for one in apart) / (len(first_U) - 2))
    return max(found, spread * exchange_power(len(first_U), int(first_U.sum())))


@lru_cache(maxsize=64)
def exchange_power(units: int, size: int) -> float:
    """How many standard deviations of a unit's effect the exchanges find four times of five.

    By simulation of normal effects, the same draws at every size.
    """
    rng = np.random.default_rng(units * 100 + size)
    noise_BU = rng.standard_normal((TRIALS, units))
    chosen_WU = _assignments(units, size)
    is_first = np.zeros(units)
    is_first[:size] = 1.0

    def found(true: float) -> float:
        effects_BU = noise_BU + true * is_first
        sums_BW = effects_BU @ chosen_WU.T
        apart_BW = sums_BW / size - (effects_BU.sum(1, keepdims=True) - sums_BW) / (units - size)
        seen_B1 = np.abs(apart_BW[:, :1])  # the first of the assignments is the true one
        p_B = (np.abs(apart_BW) >= seen_B1 - SAME).mean(axis=1)
        return float((p_B <= ALPHA).mean())

    low, high = 0.0, 1.0
    while found(high) < POWER:
        low, high = high, 2 * high
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < POWER else (low, middle)
    return high


def _parts(
    values: Mapping[str, Sequence[NDArray[np.float64]]], whole_KG: NDArray[np.float64]
) -> list[Part]:
    """Variance of the difference: units, and what seeds and items add beyond it."""
    seeds, clusters = whole_KG.shape
    welch, welch_df = 0.0, 0.0
    within_seed, within_item = 0.0, 0.0
    for group in values.values():
        stack_UKG = np.stack(list(group))
        units = len(stack_UKG)
        if units < 2:  # nothing tells how much languages of this group differ
            return [(math.inf, 1.0)]
        share = float(stack_UKG.mean(axis=(1, 2)).var(ddof=1)) / units
        welch += share
        welch_df += share**2 / (units - 1)
        by_seed_UK = stack_UKG.mean(axis=2)
        apart_UK = by_seed_UK - by_seed_UK.mean(axis=1, keepdims=True)
        within_seed += float(apart_UK.var(axis=0, ddof=1).sum()) / units / max(1, seeds - 1) / seeds
        by_item_UG = stack_UKG.mean(axis=1)
        apart_UG = by_item_UG - by_item_UG.mean(axis=1, keepdims=True)
        within_item += float(apart_UG.var(axis=0, ddof=1).sum()) / units / (clusters - 1) / clusters
    parts = [(welch, welch**2 / welch_df if welch_df > 0 else 1.0)]
    if seeds > 1:
        spread = spread_of(whole_KG)
        parts.append((max(0.0, spread.seed - within_seed), float(seeds - 1)))
        parts.append((max(0.0, spread.item - within_item), float(clusters - 1)))
    return parts


def _reach(parts: Sequence[Part], quantile: float) -> float:
    return math.sqrt(sum(t_quantile(quantile, df) ** 2 * variance for variance, df in parts))


def _p(parts: Sequence[Part], estimate: float) -> float:
    """The level at which the interval ends at zero."""
    if abs(estimate) < SAME or sum(variance for variance, _ in parts) < SAME**2:
        return float(abs(estimate) < SAME)
    low, high = 0.0, 1.0
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        inside = _reach(parts, 1 - middle / 2) > abs(estimate)
        low, high = (middle, high) if inside else (low, middle)
    return high

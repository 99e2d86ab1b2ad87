"""Two systems on the same items: differences with intervals, and tests by swapping them.

If the two were the same in distribution, exchanging their answers to a cluster would change
nothing; the test compares the difference seen with those after random exchanges, or with all of
them where they can be counted. For accuracy without clusters this is McNemar's exact test.
Source: Fisher's randomisation test; p = (1 + k) / (1 + samples), Phipson and Smyth 2010.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import UsageError
from xlt.core.stats.clusters import Score, Sums, align, bootstrap_sums, standard_error
from xlt.core.stats.correction import holm
from xlt.core.stats.intervals import LEVEL, SAMPLES, Interval, interval, percentile
from xlt.core.stats.power import detectable

__all__ = ["Comparison", "Pair", "Test", "compare", "compare_all", "compare_mean", "swap_test"]

SWAPS = 9999
MOST_OUTCOMES = 1 << 16  # as many as this are counted out instead of drawn
SAME = 1e-9  # differences in points that are closer count as equal
BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """The outcome of a test.

    Attributes:
        p: two-sided.
        floor: the smallest p that these data, or so many samples, could have given.
        method: "exact" or "permutation".
    """

    p: float
    floor: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One system minus another, in points.

    Attributes:
        difference: with its interval.
        test: of "no difference".
        adjusted: p after correction for the other tests made beside it.
        detectable: the difference that would be found four times of five.
    """

    difference: Interval
    test: Test
    adjusted: float
    detectable: float

    def to_json(self) -> dict[str, float | int | str]:
        """Plain numbers, as `--against --json` and the report give them."""
        return {
            "difference": self.difference.estimate,
            **self.difference.to_json(),
            "p": self.test.p,
            "p_adjusted": self.adjusted,
            "p_floor": self.test.floor,
            "test": self.test.method,
            "detectable": self.detectable,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Counts of two systems, a minus b, over the same clusters: names, a_GS and b_GS."""

    names: Sequence[Hashable]
    a: Sums
    b: Sums


def compare(
    a_GS: Sums,
    b_GS: Sums,
    score: Score,
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    samples: int = SAMPLES,
    swaps: int = SWAPS,
) -> Comparison:
    """Compare two systems on the same clusters.

    Raises:
        UsageError: the two have not the same clusters, or none.
    """
    if a_GS.shape != b_GS.shape or len(a_GS) == 0:
        raise UsageError(
            f"counts of shapes {a_GS.shape} and {b_GS.shape} cannot be compared",
            "both systems need the same clusters, one or more",
        )
    both = np.concatenate([a_GS, b_GS], axis=1)
    difference = interval(both, _minus(score), rng, level=level, samples=samples, bounded=False)
    test = swap_test(a_GS, b_GS, score, rng, swaps=swaps)
    return Comparison(
        difference=difference,
        test=test,
        adjusted=test.p,
        detectable=detectable(standard_error(both, _minus(score))),
    )


def compare_all(
    pairs: Mapping[str, Pair], score: Score, rng: np.random.Generator
) -> dict[str, Comparison]:
    """Compare in each language, with Holm's correction over the languages."""
    found = {name: compare(pair.a, pair.b, score, rng) for name, pair in pairs.items()}
    adjusted = holm([one.test.p for one in found.values()])
    widen = len(found)
    return {
        name: replace(
            one,
            adjusted=p,
            detectable=one.detectable * detectable(1, tests=widen) / detectable(1),
        )
        for (name, one), p in zip(found.items(), adjusted, strict=True)
    }


def compare_mean(
    pairs: Mapping[str, Pair], score: Score, rng: np.random.Generator, *, level: float = LEVEL
) -> Comparison:
    """Compare the plain means over languages.

    Languages that share clusters (translations of one item) are drawn together: their errors go
    up and down with each other, and independent draws would make the interval too narrow.
    """
    if not pairs:
        raise UsageError("a mean over no languages", "give one or more")
    groups = _sharing(pairs)
    drawn_B = np.zeros(SAMPLES)
    clusters = 0
    for names in groups:
        joined, mean = _side_by_side([pairs[name] for name in names], score)
        clusters += len(joined)
        # a language of few clusters may not be drawn at all: such samples say nothing
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn_B += mean(bootstrap_sums(joined, SAMPLES, rng)) * (len(names) / len(pairs))
    drawn_B = drawn_B[np.isfinite(drawn_B)]
    joined, mean = _side_by_side(list(pairs.values()), score)
    low, high = percentile(drawn_B, level)
    half = joined.shape[1] // 2
    test = swap_test(joined[:, :half], joined[:, half:], _mean_over(score, len(pairs)), rng)
    return Comparison(
        difference=Interval(
            estimate=float(mean(joined.sum(axis=0))),
            low=low,
            high=high,
            clusters=clusters,
            method="percentile",
            level=level,
        ),
        test=test,
        adjusted=test.p,
        detectable=detectable(float(drawn_B.std())),
    )


def swap_test(
    a_GS: Sums, b_GS: Sums, score: Score, rng: np.random.Generator, *, swaps: int = SWAPS
) -> Test:
    """Two-sided test of "no difference" by exchanging the systems within clusters.

    Clusters whose two sides differ by the same amounts, in either direction, are
    interchangeable, so only the number of exchanges of each kind matters.
    """
    seen, total_a, total_b, step_RS, counts_R = _kinds_of_change(a_GS, b_GS, score)
    if len(step_RS) == 0:
        return Test(p=1.0, floor=1.0, method="exact")

    def apart(moved_BR: NDArray[np.float64]) -> NDArray[np.float64]:
        shift = moved_BR @ step_RS
        return np.abs(score(total_a + shift) - score(total_b - shift))

    if math.prod(int(n) + 1 for n in counts_R) <= MOST_OUTCOMES:
        outcomes = list(itertools.product(*(range(int(n) + 1) for n in counts_R)))
        chance = np.array([math.prod(map(_half_binomial, counts_R, one)) for one in outcomes])
        apart_B = apart(np.array(outcomes, dtype=np.float64))
        p = float(chance[apart_B >= seen - SAME].sum())
        floor = float(chance[apart_B >= apart_B.max() - SAME].sum())
        return Test(p=min(1.0, p), floor=min(1.0, floor), method="exact")
    hits, done = 0, 0
    while done < swaps:
        size = min(max(1, BLOCK_NUMBERS // len(counts_R)), swaps - done)
        hits += int((apart(_exchanged(counts_R, size, rng)) >= seen - SAME).sum())
        done += size
    return Test(p=(1 + hits) / (1 + swaps), floor=1 / (1 + swaps), method="permutation")


def _exchanged(
    counts_R: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How many clusters of each kind are exchanged, each with probability one half."""
    drawn_BR = np.empty((size, len(counts_R)))
    single = counts_R == 1  # most of them, and a bit is cheaper than a binomial number
    drawn_BR[:, single] = rng.integers(2, size=(size, int(single.sum())), dtype=np.int8)
    several = counts_R[~single]
    drawn_BR[:, ~single] = rng.binomial(several, 0.5, size=(size, len(several)))
    return drawn_BR


def _kinds_of_change(
    a_GS: Sums, b_GS: Sums, score: Score
) -> tuple[float, Sums, Sums, Sums, NDArray[np.int64]]:
    """What is seen, and the totals before any exchange of the kinds of change that occur.

    Returns:
        The absolute difference seen; totals of a and b with every change turned to one
        direction; that change b - a of each kind, step_RS; how many clusters have it.
    """
    a, b = a_GS.sum(axis=0), b_GS.sum(axis=0)
    seen = float(np.abs(score(a) - score(b)))
    change_GS = b_GS - a_GS
    change_GS = change_GS[np.abs(change_GS).max(axis=1, initial=0) > 0]
    first_G = (change_GS != 0).argmax(axis=1)
    turned_G = np.take_along_axis(change_GS, first_G[:, None], axis=1)[:, 0] < 0
    change_GS[turned_G] *= -1
    # a cluster that is turned counts as exchanged once already
    moved = -change_GS[turned_G].sum(axis=0)
    step_RS, counts_R = np.unique(change_GS, axis=0, return_counts=True)
    return seen, a + moved, b - moved, step_RS, counts_R


def _half_binomial(n: int, k: int) -> float:
    return math.exp(
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
    )


def _minus(score: Score) -> Score:
    """The score of the first half of the columns minus that of the second."""

    def difference(sums: Sums) -> NDArray[np.float64]:
        half = sums.shape[-1] // 2
        return score(sums[..., :half]) - score(sums[..., half:])

    return difference


def _mean_over(score: Score, parts: int) -> Score:
    """The mean score of `parts` equal groups of columns."""

    def mean(sums: Sums) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = score(sums.reshape(*sums.shape[:-1], parts, -1))
        return np.asarray(scores.mean(axis=-1))

    return mean


def _side_by_side(pairs: Sequence[Pair], score: Score) -> tuple[Sums, Score]:
    """All languages of a, then all of b, as columns over the union of their clusters."""
    sides = [align([(pair.names, getattr(pair, side)) for pair in pairs])[1] for side in ("a", "b")]
    joined = np.concatenate([np.concatenate(list(side), axis=1) for side in sides], axis=1)
    return joined, _minus(_mean_over(score, len(pairs)))


def _sharing(pairs: Mapping[str, Pair]) -> list[list[str]]:
    """Groups of languages that are connected by shared clusters."""
    groups: list[tuple[list[str], set[Hashable]]] = []
    for name, pair in pairs.items():
        members, seen = [name], set(pair.names)
        for other in [group for group in groups if not seen.isdisjoint(group[1])]:
            groups.remove(other)
            members, seen = other[0] + members, seen | other[1]
        groups.append((members, seen))
    return [members for members, _ in groups]

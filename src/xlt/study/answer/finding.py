"""One number of a study with what can be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from xlt.core.stats.correction import benjamini_hochberg
from xlt.core.stats.power import ALPHA, POWER
from xlt.core.stats.seeds import spread_of
from xlt.core.stats.special import t_quantile
from xlt.study.answer.contrast import Contrast
from xlt.study.answer.folder import Axes

__all__ = ["HEADLINE_SEEDS", "Finding", "among_tests", "correct", "finding_of"]

HEADLINE_SEEDS = 5  # intermediate seeds that a headline needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An effect, a difference of effects, a slope, or a best choice against another.

    Attributes:
        kind: effect, effect_difference, trend or best_of.
        arm: or several, joined by " + ".
        baseline: what is subtracted.
        axes: the further axes.
        tasks: that it is a mean over.
        langs: that it is a mean over; of a difference, all of both groups.
        group: what the languages have in common: "transfer", "seen", a family, a code ...
        estimate: points; of a trend, points per step of its axis.
        low: of the 95 % interval; None with a single seed.
        high: of the same.
        p: two-sided, before any correction.
        adjusted: after correction over all findings but the primary one (Benjamini-Hochberg); of
            the primary, over the arms that it asks of (Holm).
        detectable: the true number that would be found four times of five; with a single seed,
            what the items alone would allow: more is needed.
        seeds: independent seeds.
        units: pairs of trainings.
        clusters: of items.
        floor: the smallest p that the languages could give; 0 where it does not matter.
        same_data: the intermediate data hold the target's own training data.
        fair: both sides had the same choice; of `best_of` only.
        registered: the question is the one that was hashed before the run.
        by_seed: the number of each seed.
        note: what a reader must know beside it.
        parts: variance and degrees of freedom of what the interval is made of.
    """

    kind: str
    arm: str
    baseline: str
    axes: Axes = ()
    tasks: tuple[str, ...]
    langs: tuple[str, ...]
    group: str = "transfer"
    estimate: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    detectable: float
    seeds: int
    units: int
    clusters: int
    floor: float = 0.0
    same_data: bool = False
    fair: bool = True
    registered: bool = True
    by_seed: tuple[float, ...] = ()
    note: str = ""
    parts: tuple[tuple[float, float], ...] = ()

    @property
    def sure(self) -> bool:
        """Whether chance is an unlikely reason, after correction."""
        return self.adjusted is not None and self.adjusted <= ALPHA

    @property
    def standing(self) -> str:
        """`headline`, `exploratory` (fewer seeds, or the same data), or `one seed`."""
        if self.seeds < 2:
            return "one seed"
        few = self.seeds < HEADLINE_SEEDS or self.same_data or not self.fair
        few |= not self.registered
        return "exploratory" if few else "headline"

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the standing."""
        value = {name: getattr(self, name) for name in self.__slots__ if name != "parts"}
        value |= {"axes": dict(self.axes), "tasks": list(self.tasks), "langs": list(self.langs)}
        finite = self.detectable < float("inf")
        return value | {
            "by_seed": list(self.by_seed),
            "detectable": self.detectable if finite else None,
            "standing": self.standing,
        }


def finding_of(found: Contrast, **about: Any) -> Finding:
    """The interval of a weighted sum; a single seed has none."""
    effect = found.effect
    about = {
        "estimate": float(found.by_seed.mean()),
        "seeds": len(found.by_seed),
        "units": found.units,
        "clusters": found.values.shape[1],
        "by_seed": tuple(float(value) for value in found.by_seed),
        **about,
    }
    if effect is None:
        return Finding(detectable=found.from_items, **about)
    spread = spread_of(found.values)
    parts = (spread.seed, float(spread.seed_df)), (spread.item, float(spread.item_df))
    return Finding(
        parts=parts,
        low=effect.interval.low,
        high=effect.interval.high,
        p=effect.p,
        adjusted=effect.p,
        detectable=effect.detectable,
        **about,
    )


def among_tests(finding: Finding, tests: int) -> Finding:
    """With what would be detected if it were one of several tests (Holm's first step)."""
    if not finding.parts or tests < 2:
        return finding
    alpha = ALPHA / tests
    reach = math.inf
    if finding.floor <= alpha:
        reach = sum(
            math.sqrt(sum(t_quantile(p, df) ** 2 * variance for variance, df in finding.parts))
            for p in (1 - alpha / 2, POWER)
        )
    return replace(finding, detectable=reach)


def correct(findings: list[Finding]) -> list[Finding]:
    """Adjust p for all of them together: of those called sure, 5 % are false on average."""
    tested = [finding for finding in findings if finding.p is not None]
    adjusted = iter(benjamini_hochberg([finding.p for finding in tested if finding.p is not None]))
    return [
        finding if finding.p is None else replace(finding, adjusted=next(adjusted))
        for finding in findings
    ]

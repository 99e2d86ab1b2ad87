"""Weighted sums of scores, with intervals over seeds and items.

Every number of a study but the choice of a best arm is a weighted sum: an effect (1 and -1), a
mean over languages and tasks, a difference of effects between two groups of languages, a slope.
Equal units of two arms are a pair; trainings that share an intermediate seed are averaged first,
for they are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xlt.core.stats.power import detectable
from xlt.core.stats.seeds import SeedEffect, effect_of_values
from xlt.study.answer.folder import ENCODER, Axes, Cell
from xlt.study.answer.scores import Linear, Place, Scores

__all__ = [
    "Contrast",
    "Term",
    "Unit",
    "contrast",
    "effect_terms",
    "join",
    "mean_effect",
    "mean_terms",
    "minus",
    "scaled",
    "shown_axes",
    "untrained",
]


Unit = tuple[int | None, int]  # data seed, unit
Origin = tuple[int | None, int | None]  # data seed, intermediate seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A weight of one score: an arm under some axes, a task, a language."""

    weight: float
    arm: str
    axes: Axes
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contrast:
    """A number of each independent seed, and what each cluster of items says about it.

    Attributes:
        by_seed: (K,), in percent or points.
        values: (K, G), pseudo-values.
        units: pairs of trainings behind it.
        pairs: which: (data seed, unit).
        origins: the intermediate trainings that they come from: (data seed, intermediate seed).
        there: task -> which of its clusters are among G; tasks stand one after the other.
    """

    by_seed: NDArray[np.float64]
    values: NDArray[np.float64]
    units: int
    pairs: tuple[Unit, ...] = ()
    origins: frozenset[Origin] = frozenset()
    there: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def effect(self) -> SeedEffect | None:
        """The interval over seeds and items; None with a single seed."""
        if len(self.by_seed) < 2 or self.values.shape[1] < 2:
            return None
        return effect_of_values(self.values, self.by_seed)

    @property
    def from_items(self) -> float:
        """What the items alone would let one see: a lower bound of what can be detected."""
        clusters = self.values.shape[1]
        if clusters < 2:
            return float("inf")
        mean_G = self.values.mean(axis=0)
        return detectable(float(mean_G.std(ddof=1)) / clusters**0.5)


def mean_terms(arm: str, axes: Axes, places: Sequence[Place], weight: float = 1.0) -> list[Term]:
    """The mean over tasks of the means over languages."""
    tasks = list(dict.fromkeys(task for task, _ in places))
    found = []
    for task in tasks:
        own = [place for place in places if place[0] == task]
        share = weight / len(tasks) / len(own)
        found += [Term(weight=share, arm=arm, axes=axes, place=place) for place in own]
    return found


def effect_terms(
    arm: str, baseline: str, axes: Axes, places: Sequence[Place], weight: float = 1
) -> list[Term]:
    """An arm minus the baseline, over the same languages and tasks."""
    return [
        *mean_terms(arm, axes, places, weight),
        *mean_terms(baseline, axes, places, -weight),
    ]


def mean_effect(
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    places: Sequence[Place],
) -> list[Term]:
    """Arm minus baseline, averaged over arms and axes."""
    share = 1 / len(arms) / len(axes)
    return [
        term
        for arm in arms
        for one in axes
        for term in effect_terms(arm, baseline, one, places, share)
    ]


def scaled(terms: Sequence[Term], by: float) -> list[Term]:
    """Terms with all weights multiplied."""
    return [
        Term(weight=term.weight * by, arm=term.arm, axes=term.axes, place=term.place)
        for term in terms
    ]


def shown_axes(axes: Sequence[Axes]) -> Axes:
    """The point that a finding is of; () where it is a mean over several."""
    return axes[0] if len(axes) == 1 else ()


def contrast(
    scores: Scores,
    terms: Sequence[Term],
    over: Sequence[Place] = (),
    *,
    among: Contrast | None = None,
) -> Contrast | None:
    """Evaluate a weighted sum on all units that every term has; None where there is none.

    An encoder that no target was trained on stands beside every target training that began from
    its intermediate training: with several target seeds it serves several units.

    Args:
        scores: of the study.
        terms: the weights.
        over: take the clusters of these tasks and languages, too, so that several sums can be
            compared cluster by cluster.
        among: take no other pairs of trainings than those of this one.
    """
    merged: dict[tuple[str, Axes, Place], float] = {}
    for term in terms:
        where = term.arm, term.axes, term.place
        merged[where] = merged.get(where, 0.0) + term.weight
    units: dict[Unit, list[tuple[float, Place, Linear]]] = {}
    seeds: dict[Unit, int] = {}
    encoders: dict[Origin, list[tuple[float, Place, Linear]]] = {}
    fixed: list[tuple[float, Place, Linear]] = []
    for (arm, axes, place), weight in merged.items():
        for key in scores.keys(arm, axes, place[0]):
            linear = scores.linear[key].get(place)
            if linear is None:
                continue
            cell, part = scores.cells[key, place[0]], (weight, place, linear)
            if untrained(cell):  # one model for every unit
                fixed.append(part)
                break
            seed = cell.intermediate_seed
            if cell.target == ENCODER:
                encoders.setdefault((key.data_seed, seed), []).append(part)
                continue
            unit = key.data_seed, key.unit
            units.setdefault(unit, []).append(part)
            if seed is not None:
                seeds[unit] = seed
    if not units:  # encoders alone: a unit is an intermediate training
        units = {(data, seed or 1): [] for data, seed in encoders} or {(None, 1): []}
        seeds = {(data, seed): seed for data, seed in encoders if seed is not None}
        known = None if among is None else {(data, seed or 1) for data, seed in among.origins}
    else:
        known = None if among is None else set(among.pairs)
    whole = {
        unit: found
        for unit, parts in units.items()
        if known is None or unit in known
        if len(found := [*parts, *encoders.get((unit[0], seeds.get(unit)), ()), *fixed])
        == len(merged)
    }
    if not whole:
        return None
    places = list(dict.fromkeys([*over, *(place for _, _, place in merged)]))
    return join(scores, whole, seeds, places)


def join(
    scores: Scores,
    units: Mapping[Unit, Sequence[tuple[float, Place, Linear]]],
    seeds: Mapping[Unit, int],
    places: Sequence[Place],
) -> Contrast:
    """Put weighted scores side by side: clusters of all tasks, one row an independent seed.

    Args:
        scores: of the study.
        units: (data seed, unit) -> (weight, place, score) of what is summed.
        seeds: (data seed, unit) -> intermediate seed, where there is one.
        places: tasks and languages whose clusters count.
    """
    tasks = list(dict.fromkeys(task for task, _ in places))
    there = {
        task: np.any([scores.there[place] for place in places if place[0] == task], axis=0)
        for task in tasks
    }
    rows: dict[tuple[str, int], list[tuple[float, NDArray[np.float64]]]] = {}
    for unit, parts in units.items():
        sums = {task: np.zeros(len(there[task])) for task in tasks}
        value = 0.0
        for weight, (task, _), linear in parts:
            sums[task] += weight * linear.influence
            value += weight * linear.score
        influence_G = np.concatenate([sums[task][there[task]] for task in tasks])
        group = ("seed", seeds[unit]) if unit in seeds else ("unit", unit[1])
        rows.setdefault(group, []).append((value, influence_G))
    by_seed_K = np.array([np.mean([value for value, _ in one]) for one in rows.values()])
    influence_KG = np.array([np.mean([d for _, d in one], axis=0) for one in rows.values()])
    return Contrast(
        by_seed=by_seed_K,
        values=_pseudo_values(by_seed_K, influence_KG),
        units=len(units),
        pairs=tuple(units),
        origins=frozenset((unit[0], seeds.get(unit)) for unit in units),
        there=there,
    )


def minus(first: Contrast, second: Contrast) -> Contrast:
    """The difference of two numbers of the same seeds over different items.

    A cluster may hold items of both (a paragraph with two questions): it is one cluster.

    Raises:
        ValueError: they have not the same number of seeds.
    """
    by_seed_K = first.by_seed - second.by_seed
    tasks = dict.fromkeys((*first.there, *second.there))
    there = {task: _either(first.there.get(task), second.there.get(task)) for task in tasks}
    influence_KG = _influence(first, there) - _influence(second, there)
    return Contrast(
        by_seed=by_seed_K,
        values=_pseudo_values(by_seed_K, influence_KG),
        units=min(first.units, second.units),
        pairs=first.pairs,
        origins=first.origins,
        there=there,
    )


def _either(
    first_G: NDArray[np.bool_] | None, second_G: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    if first_G is None or second_G is None:
        only_G = second_G if first_G is None else first_G
        assert only_G is not None
        return only_G
    return np.asarray(first_G | second_G)


def _influence(one: Contrast, there: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    """The influences (K, G) over more clusters than its own: 0 for those that it has not."""
    own_KG = (one.values - one.by_seed[:, None]) / max(1, one.values.shape[1] - 1)
    whole = {task: np.zeros((len(own_KG), len(among_G))) for task, among_G in there.items()}
    start = 0
    for task, mine_G in one.there.items():
        count = int(mine_G.sum())
        whole[task][:, mine_G] = own_KG[:, start : start + count]
        start += count
    return np.concatenate([whole[task][:, among_G] for task, among_G in there.items()], axis=1)


def _pseudo_values(
    by_seed_K: NDArray[np.float64], influence_KG: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(by_seed_K[:, None] + (influence_KG.shape[1] - 1) * influence_KG)


def untrained(cell: Cell) -> bool:
    """Whether a cell's model had no training of its own: the encoder as everything starts from."""
    return cell.target == ENCODER and cell.intermediate_seed is None

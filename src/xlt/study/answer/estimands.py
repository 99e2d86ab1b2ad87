"""Effects, and differences of effects between groups of languages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xlt.study.answer.contrast import Contrast, Term, contrast, mean_effect, scaled, shown_axes
from xlt.study.answer.difference import difference
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import common_places, group_of, langs_of, tasks_of, unit_of
from xlt.study.answer.scores import Place, Scores

__all__ = ["difference_of", "effect_of", "effect_sum"]


def effect_of(
    scores: Scores,
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str = "transfer",
    *,
    seen: bool = False,
    group: str = "",
) -> Finding | None:
    """Mean over arms of their effects, each over the tasks whose data it does not contain.

    Args:
        scores: of the study.
        arms: that are averaged.
        baseline: that is subtracted.
        axes: the further axes; several combinations are averaged.
        tasks: that count. A single arm and task is shown even on the same data, and marked.
        languages: see `places_of`.
        seen: languages seen in training instead of the others.
        group: what the languages are called.
    """
    summed = effect_sum(scores, arms, baseline, axes, tasks, languages, seen=seen)
    if summed is None:
        return None
    value, used, places, same = summed
    return finding_of(
        value, kind="effect", arm=" + ".join(used), baseline=baseline, axes=shown_axes(axes),
        tasks=tasks_of(places), langs=langs_of(places), same_data=same,
        group=group or ("seen" if seen else languages),
    )  # fmt: skip


def effect_sum(
    scores: Scores,
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str = "transfer",
    *,
    seen: bool = False,
) -> tuple[Contrast, list[str], list[Place], bool] | None:
    """An effect before its interval: the sum, arms and places that it is of, and "same data"."""
    terms: list[Term] = []
    used: list[str] = []
    places: list[Place] = []
    same = False
    for arm in arms:
        clean = [task for task in tasks if (arm, task) not in scores.same_data]
        if not clean and len(arms) == len(tasks) == 1:
            clean, same = list(tasks), True
        found = common_places(scores, [arm, baseline], axes, clean, languages, seen=seen)
        if found:
            used.append(arm)
            places += found
            terms += mean_effect([arm], baseline, axes, found)
    value = contrast(scores, scaled(terms, 1 / len(used))) if used else None
    return None if value is None else (value, used, places, same)


def difference_of(
    scores: Scores,
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    tasks: Sequence[str],
    between: Sequence[str],
    languages: str = "transfer",
) -> Finding | None:
    """The effect in the first group of languages minus that in the second, within each task.

    Arms are averaged. A task counts only if it has languages of both groups, and an arm only for
    tasks whose data it does not contain.
    """
    units: dict[str, list[str]] = {}
    side: dict[str, str] = {}
    places: dict[str, list[Place]] = {}
    for task in tasks:
        clean = [arm for arm in arms if (arm, task) not in scores.same_data]
        found = common_places(scores, [*clean, baseline], axes, [task], languages) if clean else []
        grouped = {place: group_of(scores, place[1], between) for place in found}
        if {name for name in grouped.values() if name} != set(between):
            continue
        places[task] = [place for place in found if grouped[place]]
        for place in places[task]:
            unit = unit_of(scores, place[1])
            units.setdefault(unit, []).append(place[1])
            side[unit] = str(grouped[place])
    if not places:
        return None
    used = list(places)
    everything = [place for task in used for place in places[task]]
    names = sorted(units, key=lambda unit: (between.index(side[unit]), unit))

    def cell(task: str, unit: str) -> list[Term]:
        own = [place for place in places[task] if unit_of(scores, place[1]) == unit]
        clean = [arm for arm in arms if (arm, task) not in scores.same_data]
        return mean_effect(clean, baseline, axes, own) if own else []

    effects_TU = np.full((len(used), len(names)), np.nan)
    values: dict[str, list[Any]] = {name: [] for name in between}
    whole: list[Term] = []
    for task, unit in itertools.product(used, names):
        group = [u for u in names if side[u] == side[unit] and cell(task, u)]
        sign = 1 if side[unit] == between[0] else -1
        whole += scaled(cell(task, unit), sign / max(1, len(group)) / len(used))
    value = contrast(scores, whole, over=everything)
    if value is None:
        return None
    for column, unit in enumerate(names):
        mine: list[Term] = []
        having = [task for task in used if cell(task, unit)]
        for task in having:
            terms = cell(task, unit)
            # a task may have more seeds than another one: those count that all of them have
            part = contrast(scores, terms, among=value)
            if part is None:
                return None
            effects_TU[used.index(task), column] = part.by_seed.mean()
            mine += scaled(terms, 1 / len(having))
        mean = contrast(scores, mine, over=everything, among=value)
        if mean is None:
            return None
        values[side[unit]].append(mean.values)
    result = difference(values, effects_TU, [side[u] == between[0] for u in names], value.values)
    one = finding_of(
        value, kind="effect_difference", arm=" + ".join(arms), baseline=baseline,
        axes=shown_axes(axes),
        tasks=tuple(used), langs=langs_of(everything), group=" - ".join(between),
        floor=result.exchanges.floor, note=_units_note(names, side, between, result.exchanges.ways),
    )  # fmt: skip
    if one.p is None:
        return one
    bounded = math.isfinite(result.low)
    about = {name: getattr(one, name) for name in one.__slots__}
    about |= {
        "low": result.low if bounded else None, "high": result.high if bounded else None,
        "p": result.p, "adjusted": result.p, "detectable": result.detectable,
        "parts": result.parts,
    }  # fmt: skip
    return Finding(**about)


def _units_note(
    units: Sequence[str], side: Mapping[str, str], between: Sequence[str], ways: int
) -> str:
    parts = [f"{name}: {', '.join(u for u in units if side[u] == name)}" for name in between]
    return f"units: {'; '.join(parts)}; {ways} ways to exchange them"

"""The four kinds of question: effect, difference of effects, trend, best choice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xlt.core.errors import DataError
from xlt.study.answer.contrast import Contrast, Term, contrast, effect_terms
from xlt.study.answer.difference import difference
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import group_of, places_of, unit_of
from xlt.study.answer.scores import Place, Scores

__all__ = ["axis_value", "axis_values", "difference_of", "effect_of", "effect_sum", "trend_of"]

STEPS = {"train_examples": "tenfold examples", "tasks": "task in sequence"}


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
        value, kind="effect", arm=" + ".join(used), baseline=baseline, axes=_shown(axes),
        tasks=_tasks(places), langs=_langs(places), same_data=same,
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
        found = _common(scores, [arm, baseline], axes, clean, languages, seen=seen)
        if found:
            used.append(arm)
            places += found
            terms += _mean_effect([arm], baseline, axes, found)
    value = contrast(scores, _scaled(terms, 1 / len(used))) if used else None
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
        found = _common(scores, [*clean, baseline], axes, [task], languages) if clean else []
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
        return _mean_effect(clean, baseline, axes, own) if own else []

    effects_TU = np.full((len(used), len(names)), np.nan)
    values: dict[str, list[Any]] = {name: [] for name in between}
    whole: list[Term] = []
    for task, unit in itertools.product(used, names):
        group = [u for u in names if side[u] == side[unit] and cell(task, u)]
        sign = 1 if side[unit] == between[0] else -1
        whole += _scaled(cell(task, unit), sign / max(1, len(group)) / len(used))
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
            mine += _scaled(terms, 1 / len(having))
        mean = contrast(scores, mine, over=everything, among=value)
        if mean is None:
            return None
        values[side[unit]].append(mean.values)
    result = difference(values, effects_TU, [side[u] == between[0] for u in names], value.values)
    one = finding_of(
        value, kind="effect_difference", arm=" + ".join(arms), baseline=baseline, axes=_shown(axes),
        tasks=tuple(used), langs=_langs(everything), group=" - ".join(between),
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


def trend_of(
    scores: Scores,
    arms: Mapping[str, int],
    baseline: str,
    over: str,
    tasks: Sequence[str],
    languages: str = "transfer",
) -> Finding | None:
    """The slope of the effect over an axis, by least squares.

    Args:
        scores: of the study.
        arms: name -> number of intermediate tasks, which matters for `over: tasks` only.
        baseline: that is subtracted; at 0 tasks the effect is 0 by definition.
        over: `tasks`, or an axis whose values are numbers or percentages (by their logarithm).
        tasks: targets that count.
        languages: see `places_of`.
    """
    if over == "tasks":
        found = _along_tasks(scores, arms, baseline, tasks, languages)
    else:
        found = _along_axis(scores, list(arms), baseline, over, tasks, languages)
    if found is None:
        return None
    points, used, places, axes = found
    x = np.array([at for at, _ in points])
    if len(set(x)) < 2:
        return None
    apart = x - x.mean()
    slope = [
        term
        for (_, terms), weight in zip(points, apart / (apart**2).sum(), strict=True)
        for term in _scaled(terms, float(weight))
    ]
    value: Contrast | None = contrast(scores, slope)
    if value is None:
        return None
    return finding_of(
        value, kind="trend", arm=" + ".join(used), baseline=baseline, tasks=_tasks(places),
        langs=_langs(places), group=languages, note=f"points per {STEPS.get(over, over)}",
        axes=axes,
    )  # fmt: skip


Points = list[tuple[float, list[Term]]]


def _along_tasks(
    scores: Scores, arms: Mapping[str, int], baseline: str, tasks: Sequence[str], languages: str
) -> tuple[Points, list[str], list[Place], Axes] | None:
    """The effect after so many tasks, at 0 none; the mean over all combinations of the axes."""
    axes = scores.axes()
    points: Points = [(0.0, [])]
    used: list[str] = []
    places: list[Place] = []
    for arm, number in arms.items():
        clean = [task for task in tasks if (arm, task) not in scores.same_data]
        found = _common(scores, [arm, baseline], axes, clean, languages)
        if found and arm != baseline:
            used.append(arm)
            places += found
            points.append((number, _mean_effect([arm], baseline, axes, found)))
    return (points, used, places, _shown(axes)) if used else None


def _along_axis(
    scores: Scores, arms: Sequence[str], baseline: str, over: str, tasks: Sequence[str],
    languages: str,
) -> tuple[Points, list[str], list[Place], Axes] | None:  # fmt: skip
    """The effect at each value of an axis: the mean over arms and over the other axes."""
    axes = [one for one in scores.axes() if over in dict(one)]
    if not axes:
        return None
    at = dict(zip(axes, axis_values([dict(one)[over] for one in axes]), strict=True))
    found: dict[str, list[Place]] = {}
    for arm in arms:
        clean = [task for task in tasks if (arm, task) not in scores.same_data]
        if own := _common(scores, [arm, baseline], axes, clean, languages):
            found[arm] = own  # the same places at every point
    points: Points = []
    for value in dict.fromkeys(at.values()):
        here = [one for one in axes if at[one] == value]
        terms = [
            term
            for arm, own in found.items()
            for term in _scaled(_mean_effect([arm], baseline, here, own), 1 / len(found))
        ]
        points.append((math.log10(value), terms))
    rest = {tuple(pair for pair in one if pair[0] != over) for one in axes}
    places = [place for own in found.values() for place in own]
    return (points, list(found), places, _shown(list(rest))) if found else None


def axis_values(texts: Sequence[str]) -> list[float]:
    """Values of an axis as numbers: `10%` is 0.1, `all` is 1 where the others are percentages.

    Raises:
        DataError: one is no positive number, or `all` stands beside numbers of examples.
    """
    counts = [text for text in texts if text != "all" and "%" not in text]
    if counts and "all" in texts:
        raise DataError(
            f"'all' has no place on one axis with {counts[0]!r}: how many examples that is differs "
            "between tasks",
            "give percentages beside it, or numbers alone",
        )
    return [axis_value(text) for text in texts]


def axis_value(text: str) -> float:
    """A value of an axis as a number: `10%` is 0.1, `all` is 1 (the whole).

    Raises:
        DataError: it is no positive number.
    """
    try:
        number = 1.0 if text == "all" else float(text.rstrip("%")) / (100 if "%" in text else 1)
        if number <= 0:
            raise ValueError
    except ValueError as error:
        raise DataError(
            f"{text!r} has no place on an axis of numbers", "give numbers or percentages"
        ) from error
    return number


def _common(
    scores: Scores,
    arms: Sequence[str],
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str,
    *,
    seen: bool = False,
) -> list[Place]:
    """Places that count under every combination of the axes."""
    sets = [places_of(scores, arms, one, tasks, languages, seen=seen) for one in axes]
    return [place for place in sets[0] if all(place in one for one in sets)] if sets else []


def _mean_effect(
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


def _shown(axes: Sequence[Axes]) -> Axes:
    return axes[0] if len(axes) == 1 else ()


def _scaled(terms: Sequence[Term], by: float) -> list[Term]:
    return [
        Term(weight=term.weight * by, arm=term.arm, axes=term.axes, place=term.place)
        for term in terms
    ]


def _tasks(places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(task for task, _ in places))


def _langs(places: Sequence[Place]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lang for _, lang in places))


def _units_note(
    units: Sequence[str], side: Mapping[str, str], between: Sequence[str], ways: int
) -> str:
    parts = [f"{name}: {', '.join(u for u in units if side[u] == name)}" for name in between]
    return f"units: {'; '.join(parts)}; {ways} ways to exchange them"

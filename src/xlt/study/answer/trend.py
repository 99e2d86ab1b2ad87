"""The slope of an effect: over the number of tasks before the target, or over an axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from xlt.core.errors import DataError
from xlt.study.answer.contrast import Contrast, Term, contrast, mean_effect, scaled, shown_axes
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import common_places, langs_of, tasks_of
from xlt.study.answer.scores import Place, Scores

__all__ = ["axis_value", "axis_values", "trend_of"]

STEPS = {"train_examples": "tenfold examples", "tasks": "task in sequence"}


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
        for term in scaled(terms, float(weight))
    ]
    value: Contrast | None = contrast(scores, slope)
    if value is None:
        return None
    return finding_of(
        value, kind="trend", arm=" + ".join(used), baseline=baseline, tasks=tasks_of(places),
        langs=langs_of(places), group=languages, note=f"points per {STEPS.get(over, over)}",
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
        found = common_places(scores, [arm, baseline], axes, clean, languages)
        if found and arm != baseline:
            used.append(arm)
            places += found
            points.append((number, mean_effect([arm], baseline, axes, found)))
    return (points, used, places, shown_axes(axes)) if used else None


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
        if own := common_places(scores, [arm, baseline], axes, clean, languages):
            found[arm] = own  # the same places at every point
    points: Points = []
    for value in dict.fromkeys(at.values()):
        here = [one for one in axes if at[one] == value]
        terms = [
            term
            for arm, own in found.items()
            for term in scaled(mean_effect([arm], baseline, here, own), 1 / len(found))
        ]
        points.append((math.log10(value), terms))
    rest = {tuple(pair for pair in one if pair[0] != over) for one in axes}
    places = [place for own in found.values() for place in own]
    return (points, list(found), places, shown_axes(list(rest))) if found else None


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

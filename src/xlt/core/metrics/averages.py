"""Means of scores: per task, per group, overall; official names for official sets only.

A task's score is the mean over its official languages; a group's and the overall score are means
of task scores. Each is given only when all its parts are there, else it is None and a mean of
what is there stands beside it under a name with `partial`. Source: XTREME's evaluate.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from xlt.core.metrics.table import get_metric, headline_mean
from xlt.core.tasks.table import GROUPS, TARGETS, Task, get_task

__all__ = ["PARTIAL", "summarise", "task_mean"]

ByLanguage = Mapping[str, float]
PARTIAL = "partial_"


def summarise(
    scores: Mapping[str, Mapping[str, ByLanguage]],
    *,
    extra: Mapping[str, Task] | None = None,
    constructed: Collection[str] = (),
) -> dict[str, Any]:
    """Add the averages to `{task: {metric: {lang: score}}}`.

    Args:
        scores: per task and metric, one score a language.
        extra: tasks that are not in the table, by name.
        constructed: languages that are invented, whatever their code: never official ones.

    Returns:
        `{"tasks": {task: {metric: {lang: score}, "avg_<metric>": mean, "avg_metric": mean}},
        "groups": {group: mean}, "all_task": mean}`. A mean over fewer than all official languages
        or tasks is None (a group is left out), and `partial_avg_<metric>`, `partial_avg_metric`
        with `partial_langs`, `partial_groups`, `partial_all_task` hold what is there. Languages
        beyond the official ones are in no mean beside official ones; `extra_langs` names them.
    """
    known = dict(extra or {})
    tasks = {
        name: _with_averages(get_task(name, known), by_metric, constructed)
        for name, by_metric in scores.items()
    }
    means = {name: task_mean(value) for name, value in tasks.items()}
    whole = {name: value for name, (value, partial) in means.items() if not partial}
    either = {name: value for name, (value, _) in means.items() if value is not None}
    groups = _means(whole, GROUPS)
    overall = _means(whole, {"all": TARGETS}).get("all")
    result: dict[str, Any] = {"tasks": tasks, "groups": groups, "all_task": overall}
    rest = {name: mean for name, mean in _means(either, GROUPS).items() if name not in groups}
    if rest:
        result[f"{PARTIAL}groups"] = rest
    if overall is None and (mean := _means(either, {"all": TARGETS}).get("all")) is not None:
        result[f"{PARTIAL}all_task"] = mean
    return result


def task_mean(averages: Mapping[str, Any]) -> tuple[float | None, bool]:
    """A task's score of what `summarise` made of it, and whether it is a partial mean."""
    official = averages.get("avg_metric")
    return (official, False) if official is not None else (averages.get("partial_avg_metric"), True)


def _means(
    values: Mapping[str, float | None], sets: Mapping[str, Collection[str]]
) -> dict[str, float]:
    """Mean of every set whose members are all there."""
    return {
        name: _mean(value for member in members if (value := values.get(member)) is not None)
        for name, members in sets.items()
        if all(values.get(member) is not None for member in members)
    }


def _with_averages(
    task: Task, by_metric: Mapping[str, ByLanguage], constructed: Collection[str]
) -> dict[str, Any]:
    result: dict[str, Any] = {metric: dict(langs) for metric, langs in by_metric.items()}
    scored = list(dict.fromkeys(lang for langs in by_metric.values() for lang in langs))
    headline = get_metric(task.metric).headline
    there = [
        lang
        for lang in task.languages
        if lang not in constructed and all(lang in by_metric.get(name, ()) for name in headline)
    ]
    averaged = there or scored
    whole = set(there) == set(task.languages)
    result |= _named("avg_", by_metric, averaged, task.metric, blank=not whole)
    if not whole:
        result |= _named(f"{PARTIAL}avg_", by_metric, averaged, task.metric)
        result[f"{PARTIAL}langs"] = averaged
    beyond = [lang for lang in scored if lang not in averaged]
    if beyond:
        result["extra_langs"] = beyond
    return result


def _named(
    prefix: str,
    by_metric: Mapping[str, ByLanguage],
    langs: Collection[str],
    metric: str,
    *,
    blank: bool = False,
) -> dict[str, float | None]:
    """The means of every metric and of the headline, under names with the prefix."""
    means = {
        name: _mean(scores[lang] for lang in langs if lang in scores)
        for name, scores in by_metric.items()
        if any(lang in scores for lang in langs)
    }
    headline = headline_mean(metric, means)
    if headline is not None:
        means["metric"] = headline
    return {f"{prefix}{name}": None if blank else value for name, value in means.items()}


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)

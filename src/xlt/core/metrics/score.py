"""The official numbers: score a predictions folder against a labels folder, then average.

A task's score is the mean over its languages; a group's and the overall score are means of task
scores, given only when all their tasks are there. Source: XTREME's evaluate.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.metrics.counts import LengthMismatch
from xlt.core.metrics.official import line_of, official_path, read_labels, read_predictions
from xlt.core.metrics.table import get_metric, measure
from xlt.core.tasks.table import GROUPS, TARGETS, TASKS, Task, get_task

__all__ = ["score_file", "score_folders", "summarise", "tasks_in"]

ByLanguage = Mapping[str, float]


def score_folders(predictions: Path, labels: Path) -> dict[str, Any]:
    """Score all tasks that have a folder on both sides, in all their official languages.

    Returns:
        `{"tasks": {task: {metric: {lang: score}, "avg_<metric>": mean, "avg_metric": mean}},
        "groups": {group: mean}, "all_task": mean or None}`.

    Raises:
        DataError: a language file is missing, files do not fit together, or no task is there.
    """
    tasks = tasks_in(predictions, labels)
    missing = [
        str(path)
        for task in tasks
        for lang in task.languages
        for path in (official_path(predictions, task, lang), official_path(labels, task, lang))
        if not path.is_file()
    ]
    if missing:
        others = f" (and {len(missing) - 1} more files)" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0]}: no such file{others}",
            "a task is scored in all its languages; add the files or move the task's folder away",
        )
    return summarise({task.name: _score_task(task, predictions, labels) for task in tasks})


def tasks_in(predictions: Path, labels: Path) -> list[Task]:
    """The target tasks with a folder on both sides, in the order of the task table.

    Raises:
        DataError: a folder is missing, or they have no task in common.
    """
    for folder in (predictions, labels):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder", "give the folder above the task folders")
    names = [n for n in TARGETS if (predictions / n).is_dir() and (labels / n).is_dir()]
    if not names:
        raise DataError(
            f"{predictions} and {labels} have no task folder in common",
            "needed on both sides: <task>/test-<lang>.<ext>, task one of " + " ".join(TARGETS),
        )
    return [TASKS[name] for name in names]


def _score_task(task: Task, predictions: Path, labels: Path) -> dict[str, dict[str, float]]:
    scores: dict[str, dict[str, float]] = {}
    for lang in task.languages:
        found = official_path(predictions, task, lang)
        for name, value in score_file(task, lang, found, official_path(labels, task, lang)).items():
            scores.setdefault(name, {})[lang] = value
    return scores


def score_file(task: Task, lang: str, predictions: Path, labels: Path) -> dict[str, float]:
    """The scores of one file of predictions.

    Raises:
        DataError: a file is missing or damaged; or the two do not fit together: the message
            names files, lines and counts.
    """
    gold, predicted = read_labels(task, labels), read_predictions(task, predictions)
    try:
        return measure(task.metric, gold, predicted, lang)
    except LengthMismatch as fault:
        found, wanted = (line_of(task, path, fault.index) for path in (predictions, labels))
        if fault.unit == "tags":
            message = (
                f"{predictions}: line {found}: sentence {fault.index + 1} has {fault.found} tags, "
                f"but {fault.expected} in {labels} (line {wanted})"
            )
        else:
            message = (
                f"{predictions}: {fault.found} {fault.unit}, but {fault.expected} in {labels}; "
                f"they part at line {found} (labels: line {wanted})"
            )
        raise DataError(message, fault.hint) from fault
    except DataError as fault:
        raise DataError(f"{labels}: {fault.message}", fault.hint) from fault


def summarise(
    scores: Mapping[str, Mapping[str, ByLanguage]], *, extra: Mapping[str, Task] | None = None
) -> dict[str, Any]:
    """Add the official averages to `{task: {metric: {lang: score}}}`.

    Args:
        scores: per task and metric, one score a language.
        extra: tasks that are not in the table, by name.

    Returns:
        As `score_folders`.
    """
    known = dict(extra or {})
    tasks = {
        name: _with_averages(get_task(name, known), by_metric) for name, by_metric in scores.items()
    }
    means = {name: value["avg_metric"] for name, value in tasks.items() if "avg_metric" in value}
    groups = {
        group: _mean(means[name] for name in members)
        for group, members in GROUPS.items()
        if all(name in means for name in members)
    }
    complete = all(name in means for name in TARGETS)
    overall = _mean(means[name] for name in TARGETS) if complete else None
    return {"tasks": tasks, "groups": groups, "all_task": overall}


def _with_averages(task: Task, by_metric: Mapping[str, ByLanguage]) -> dict[str, Any]:
    result: dict[str, Any] = {metric: dict(langs) for metric, langs in by_metric.items()}
    averages = {m: _mean(langs.values()) for m, langs in by_metric.items() if langs}
    result |= {f"avg_{metric}": value for metric, value in averages.items()}
    headline = get_metric(task.metric).headline
    if headline and all(metric in averages for metric in headline):
        result["avg_metric"] = _mean(averages[metric] for metric in headline)
    return result


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)

"""results.json: a pure function of the plan and its finished cells, so reruns give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.artifacts.bundle import Bundle
from xlt.core.metrics.averages import summarise
from xlt.core.metrics.table import get_metric, headline_mean
from xlt.core.tasks.languages import Language
from xlt.core.tasks.published import published
from xlt.core.tasks.table import TARGETS
from xlt.evalsuite.compute.failures import Failure
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.plan.provenance import bundle_record, training_flags
from xlt.evalsuite.report.families import AXES, group_means
from xlt.evalsuite.report.results import SCHEMA, task_scores
from xlt.evalsuite.report.seen import seen_means

__all__ = ["build_record"]


def build_record(
    plan: Plan, done: Mapping[str, Mapping[str, Any]], failures: Sequence[Failure]
) -> dict[str, Any]:
    """The content of results.json.

    Args:
        plan: what was asked; its order is the order of the cells.
        done: cell name -> stored cell.
        failures: cells that are not among them.
    """
    bundles = _labels([cell.bundle for cell in plan.cells])
    names = {bundle.path: name for name, bundle in bundles.items()}
    planned = [cell for cell in plan.cells if cell.name in done]
    cells = [_cell(cell, done[cell.name], names[cell.bundle.path]) for cell in planned]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for cell, entry in zip(planned, cells, strict=True):
        if entry["score"] is not None:
            task = cell.task
            for metric in get_metric(task.metric).scores:
                by_lang = table.setdefault(task.name, {}).setdefault(metric, {})
                by_lang[cell.lang] = entry["metrics"][metric]
    tasks = {cell.task.name: cell.task for cell in plan.cells}
    summary = summarise(table, extra=tasks, constructed=plan.constructed)
    return {
        "schema": SCHEMA,
        "split": plan.split,
        "precision": plan.precision,
        "data": str(plan.root.path.resolve()),
        "bundles": {name: bundle_record(bundle) for name, bundle in bundles.items()},
        "prompts": {
            cell.task.name: {"bundle": names[cell.bundle.path], **prompt.to_json()}
            for cell in plan.cells
            if (prompt := cell.assignment.prompt) is not None
        },
        "cells": cells,
        **summary,
        "seen": seen_means(cells, summary["tasks"]),
        "published": _published(plan, cells),
        "families": {
            name: group_means(scores, plan.root.languages)
            for name in tasks
            if (scores := task_scores(cells, name))
        },
        "missing": {task: list(langs) for task, langs in plan.missing.items() if langs},
        "failed": [
            {"task": f.task, "lang": f.lang, "split": f.split, "error": f.error} for f in failures
        ],
        "languages": {
            code: _language(plan.root.languages[code])
            for code in sorted({cell.lang for cell in plan.cells})
        },
    }


def _published(plan: Plan, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Published scores of the tasks that are here, on the same test sets; in no mean of ours."""
    if plan.split != "test" or any(cell["lang"] in plan.constructed for cell in cells):
        return []
    tasks = dict.fromkeys(cell["task"] for cell in cells if cell["score"] is not None)
    whole = ["all"] if set(TARGETS) <= set(tasks) else []
    return [row.to_json() for task in [*tasks, *whole] for row in published(task)]


def _cell(cell: Planned, stored: Mapping[str, Any], bundle: str) -> dict[str, Any]:
    assignment = cell.assignment
    overridden = [f"answered by {bundle} (--use)"] if assignment.overridden else []
    predictions = stored["predictions"]
    return {
        "bundle": bundle,
        "task": assignment.task.name,
        "lang": cell.lang,
        "split": cell.split,
        "n": stored["n"],
        "score": headline_mean(assignment.task.metric, stored["metrics"]),
        "interval": stored["interval"],
        "metrics": stored["metrics"],
        "baseline": stored["baseline"],
        "key": stored["key"],
        "parts": stored["parts"],
        "flags": [*stored["flags"], *overridden, *training_flags(assignment, cell.lang)],
        "predictions": predictions["path"] if predictions else None,
        "items": stored["items"]["path"] if stored["items"] else None,
        "predictions_sha256": predictions["sha256"] if predictions else None,
    }


def _labels(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Name -> bundle; two of one name get a part of their keys."""
    unique = {bundle.path: bundle for bundle in bundles}
    names = [bundle.name for bundle in unique.values()]
    return {
        bundle.name if names.count(bundle.name) == 1 else f"{bundle.name}@{bundle.key[:8]}": bundle
        for bundle in unique.values()
    }


def _language(language: Language) -> dict[str, Any]:
    return {name: getattr(language, name) for name in ("name", *AXES, "constructed")}

"""Where a study stands, read from its store: for people and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from xlt.study.engine.progress import STATES, Progress
from xlt.study.engine.store import Store
from xlt.study.plan.records import Plan

__all__ = ["describe", "look", "status_of"]


def look(plan: Plan, store: Store) -> dict[str, Any]:
    """The state of a study that may be running."""
    progress = Progress(plan=plan, store=store)
    progress.look()
    for stage in plan.stages.values():
        if stage.id not in progress.records and (failure := store.failed(stage)):
            progress.failures[stage.id] = failure
    return status_of(progress)


def status_of(progress: Progress) -> dict[str, Any]:
    """Numbers of cells and stages by state, failures, seconds spent."""
    plan = progress.plan
    blocked = set(progress.blocked())
    stages: dict[str, str] = {}
    for stage in plan.stages.values():
        if stage.id in progress.records:
            stages[stage.id] = "done"
        elif progress.store.running(stage):
            stages[stage.id] = "running"
        elif stage.id in progress.failures:
            stages[stage.id] = "failed"
        else:
            stages[stage.id] = "blocked" if stage.id in blocked else "waiting"
    cells = {cell.id: progress.cell_state(cell) for cell in plan.cells}
    by_state, cells_by_state = Counter(stages.values()), Counter(cells.values())
    return {
        "schema": 1,
        "name": plan.study["name"],
        "scale": plan.study["scale"],
        "store": str(progress.store.path),
        "cells": {s: cells_by_state[s] for s in ("done", "failed", "waiting")},
        "stages": {state: by_state[state] for state in STATES},
        "running": [name for name, state in stages.items() if state == "running"],
        "failures": dict(progress.failures),
        "missing": [name for name, state in cells.items() if state != "done"],
        "seconds": sum(record["seconds"] for record in progress.records.values()),
    }


def describe(found: dict[str, Any]) -> str:
    """The state in a few lines."""
    cells = ", ".join(f"{count} {state}" for state, count in found["cells"].items() if count)
    stages = ", ".join(f"{count} {state}" for state, count in found["stages"].items() if count)
    lines = [
        f"{found['name']} ({found['scale']})",
        f"cells: {cells}",
        f"stages: {stages}; {found['seconds'] / 60:.1f} minutes of work are in the store",
    ]
    lines += [f"running: {name}" for name in found["running"]]
    lines += [f"failed: {name}: {one['message']}" for name, one in found["failures"].items()]
    return "\n".join(lines)

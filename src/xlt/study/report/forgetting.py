"""What later phases cost the earlier tasks: the heads of earlier phases, scored again.

`xlt train --forgetting` puts an earlier phase's head on the encoder of each later phase. Arms that
begin with the same phases share these trainings; a training stands under the first arm that has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.metrics.table import headline_mean
from xlt.core.show.sheet import Sheet, Value
from xlt.core.stats.special import t_quantile
from xlt.study.answer.answer import Answer
from xlt.study.answer.folder import Folder
from xlt.study.report.sheets import arm_name

__all__ = ["forgetting_sheet"]

UPPER = 0.975
Row = tuple[str, str, str, str]  # arm, earlier task, phases up to the later one, the later one


def forgetting_sheet(found: Answer) -> Sheet | None:
    """Each earlier task after each later phase; None where the study did not ask for it."""
    scores: dict[Row, list[tuple[float, float]]] = {}
    reasons: dict[str, None] = {}
    for row, entry in _entries(found.folder):
        if "reason" in entry:
            reasons[f"{row[1]} after {row[3]}: {entry['reason']}"] = None
            continue
        pair = [headline_mean(entry["metric"], entry[when]) for when in ("before", "after")]
        if pair[0] is not None and pair[1] is not None:
            scores.setdefault(row, []).append((pair[0], pair[1]))
    if not scores and not reasons:
        return None
    rows = [_row(row, np.array(pairs)) for row, pairs in scores.items()]
    told = f" Not scored: {'; '.join(reasons)}." if reasons else ""
    return Sheet(
        name="forgetting",
        title="What later phases cost the earlier tasks",
        header=("arm", "earlier task", "phases", "after its phase", "after the last", "change",
                "low", "high", "seeds"),
        rows=rows,
        note="Percent on the task's English dev set, means over intermediate seeds: the head that "
        "the task's own phase trained, on that phase's encoder and, untouched, on the encoder "
        "after the last phase named. A lower score may be a head that no longer fits rather than "
        "knowledge that is lost: nothing is trained again. Exploratory; intervals are over seeds "
        f"alone.{told}",
        signed=("change", "low", "high"),
    )  # fmt: skip


def _row(row: Row, pairs_S2: Any) -> list[Value]:
    """Means over seeds, and the change with its t interval from two seeds on."""
    before, after = pairs_S2.mean(axis=0)
    change_S = pairs_S2[:, 1] - pairs_S2[:, 0]
    seeds, mean = len(change_S), float(change_S.mean())
    ends: tuple[float | None, float | None] = (None, None)
    if seeds > 1:
        half = t_quantile(UPPER, seeds - 1) * float(change_S.std(ddof=1)) / math.sqrt(seeds)
        ends = (mean - half, mean + half)
    return [*row[:3], float(before), float(after), mean, *ends, seeds]


def _entries(folder: Folder) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    """Every score that the trainings recorded, each training once, in the order of the arms."""
    seen: set[Path] = set()
    for cell in folder.cells:
        for run in cell.runs:
            if run in seen:
                continue
            seen.add(run)
            phases = _phases(run)
            for place, phase in enumerate(phases):
                for entry in [] if phase.get("inherited") else phase.get("forgetting", ()):
                    named = [_tasks(one) for one in phases[: place + 1]]
                    arm = arm_name(cell.arm, cell.axes)
                    yield (arm, entry["task"], ", ".join(named), named[-1]), entry


def _phases(run: Path) -> Sequence[Mapping[str, Any]]:
    """The phases of a run that have tasks, those of the runs before it first."""
    try:
        lineage = read_json(run / "run.json").get("lineage") or {}
    except DataError:
        return ()
    return [one for one in lineage.get("phases", ()) if one.get("tasks")]


def _tasks(phase: Mapping[str, Any]) -> str:
    return " + ".join(phase["tasks"])

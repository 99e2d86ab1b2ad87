"""Gates for CI: --min-score and --max-drop, checked after the work."""

from __future__ import annotations

from collections.abc import Sequence

from xlt.core.errors import CheckFailed, UsageError
from xlt.evalsuite.plan.gates import Floor
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.report.results import Results

__all__ = ["check_gates", "failed_drops", "failed_floors"]


def check_gates(plan: Plan, results: Results, against: Results | None) -> None:
    """Hold the results against the gates of the plan.

    Raises:
        CheckFailed: names every gate that does not hold.
    """
    broken = failed_floors(results, plan.floors)
    if against is not None and plan.max_drop is not None:
        broken += failed_drops(results, against, plan.max_drop)
    if broken:
        raise CheckFailed("; ".join(broken), f"all scores: {results.path / 'results.json'}")


def failed_floors(results: Results, floors: Sequence[Floor]) -> list[str]:
    """One line for each floor that is not reached; a missing score does not reach it."""
    lines = []
    for floor in floors:
        score = results.score(floor.task, floor.lang)
        if score is None:
            lines.append(f"{floor.name} has no score, {floor.score:g} is needed")
        elif score < floor.score:
            lines.append(f"{floor.name} is {score:.7g}, below {floor.score:g}")
    return lines


def failed_drops(results: Results, against: Results, limit: float) -> list[str]:
    """One line for each cell whose score is more than `limit` points below the other results'.

    Raises:
        UsageError: the two have no scored cell in common, or are of different splits.
    """
    if results.record["split"] != against.record["split"]:
        raise UsageError(
            f"--against {against.path} holds the split {against.record['split']!r}, "
            f"this is {results.record['split']!r}",
            "compare results of one split",
        )
    lines, common = [], 0
    for task in against.tasks:
        before, now = against.scores(task), results.scores(task)
        for lang in before.keys() & now.keys():
            common += 1
            drop = before[lang] - now[lang]
            if drop > limit:
                lines.append(
                    f"{task}.{lang} fell by {drop:.2f} ({before[lang]:.2f} to {now[lang]:.2f})"
                )
    if not common:
        raise UsageError(
            f"--against {against.path} has no task and language in common with these results",
            "evaluate the same tasks in both",
        )
    return sorted(lines)

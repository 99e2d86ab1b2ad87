"""Gates for CI: --min-score and --max-drop, checked after the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlt.core.errors import CheckFailed
from xlt.evalsuite.plan.gates import Floor
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.report.compare import Compared, compare_runs
from xlt.evalsuite.report.results import Results

__all__ = ["check_gates", "failed_drops", "failed_floors"]


def check_gates(plan: Plan, results: Results, against: Sequence[Results]) -> None:
    """Hold the results against the gates of the plan.

    Raises:
        CheckFailed: names every gate that does not hold.
        DataError: no scored item is in both results.
    """
    absent = {} if plan.allow_missing else absent_langs(plan, results)
    broken = failed_floors(results, plan.floors, absent)
    if against and plan.max_drop is not None:
        gone = {
            task: [lang for lang in langs if any(lang in one.scores(task) for one in against)]
            for task, langs in absent.items()
        }
        broken += failed_drops(compare_runs(results, against), plan.max_drop, gone)
    if broken:
        hint = f"all scores: {results.path / 'results.json'}"
        if any("missing" in line for line in broken):
            hint = f"add the data, or let missing languages pass with --allow-missing; {hint}"
        raise CheckFailed("; ".join(broken), hint)


def absent_langs(plan: Plan, results: Results) -> dict[str, list[str]]:
    """Task -> languages that were asked and have no score."""
    return {
        task: [lang for lang in langs if lang not in results.scores(task)]
        for task, langs in plan.expected.items()
    }


def failed_floors(
    results: Results, floors: Sequence[Floor], absent: Mapping[str, Sequence[str]]
) -> list[str]:
    """One line for each floor that is not reached, or that looks at absent languages.

    Args:
        results: what was found.
        floors: the lowest allowed scores.
        absent: task -> languages without a score; empty where that is allowed.
    """
    lines = []
    for floor in floors:
        lacking = absent.get(floor.task, ())
        looked_at = lacking if floor.lang is None else [c for c in lacking if c == floor.lang]
        score = results.score(floor.task, floor.lang)
        if looked_at:
            lines.append(f"{floor.name} looks at missing scores: {' '.join(looked_at)}")
        if score is None and floor.lang is None:
            lines.append(f"{floor.name} has no score, {floor.score:g} is needed")
        elif score is not None and score < floor.score:
            lines.append(f"{floor.name} is {score:.7g}, below {floor.score:g}")
    return lines


def failed_drops(
    compared: Sequence[Compared], limit: float, gone: Mapping[str, Sequence[str]]
) -> list[str]:
    """One line for each cell that fell by more than `limit` points or cannot be compared.

    Args:
        compared: what both results have scored.
        limit: points.
        gone: task -> languages that only the other results have; empty where that is allowed.
    """
    lines = [f"{task}.{lang} is missing" for task, langs in gone.items() for lang in langs]
    for one in compared:
        name = f"{one.task}.{one.lang}"
        if not one.equal:
            lines.append(f"{name} has other items than before ({one.sizes}): no gate can hold")
        elif one.change < -limit:
            lines.append(f"{name} fell by {-one.change:.2f} ({one.before:.2f} to {one.now:.2f})")
    return sorted(lines)

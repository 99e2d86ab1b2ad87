"""A plan for people: cells by arm and target, stages by verb, cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.show.terminal import table
from xlt.study.file.records import COMPACT
from xlt.study.plan.records import Plan

__all__ = ["describe_cost", "describe_plan"]


def describe_plan(plan: Plan, cost: Mapping[str, Any]) -> str:
    """Cells by arm and target, and how many stages they share.

    Args:
        plan: of the study.
        cost: of `estimate`.
    """
    targets = list(dict.fromkeys(cell.target for cell in plan.cells))
    count = Counter((cell.arm, cell.target) for cell in plan.cells)
    same = {(cell.arm, cell.target) for cell in plan.cells if cell.same_data}
    arms = list(dict.fromkeys(cell.arm for cell in plan.cells))

    def entry(arm: str, target: str) -> str:
        mark = "*" if (arm, target) in same else ""
        return f"{count[arm, target] or '-'}{mark}"

    rows = [[arm, *(entry(arm, target) for target in targets)] for arm in arms]
    stages = Counter(stage.verb for stage in plan.stages.values())
    apart = sum(len(cell.all_stages) for cell in plan.cells)
    made = ", ".join(f"{number} {verb}" for verb, number in stages.items())
    asked = plan.study["estimand"]
    named = ", ".join(
        f"{name} {value if isinstance(value, str) else ' '.join(map(str, value))}"
        for name, value in asked.items()
        if value
    )
    lines = [
        f"{plan.study['name']} ({plan.study['scale']}): {plan.study['question']}",
        f"primary estimand {plan.estimand_hash[:12]}: {named}",
        "",
        table(["cells of arm", *targets], rows),
        *(["* same data: an earlier phase has seen the target's own training data"] * bool(same)),
        *(f"left out: {text}" for text in plan.left_out),
        "",
        _models(plan),
        f"{len(plan.cells)} cells; {len(plan.stages)} stages ({made}) "
        f"in place of {apart} without sharing",
        describe_cost(cost),
    ]
    return "\n".join(lines)


def _models(plan: Plan) -> str:
    """What everything starts from, and what the name was taken for."""
    base = plan.study["base"].get("model")
    names = [str(v) for v in plan.study["axes"].get("model", ()) if v is not None] or [str(base)]
    told = []
    for name in names:
        if name == COMPACT:
            kind = "made here"
        elif Path(name).expanduser().is_dir():
            kind = "a folder"
        else:
            kind = "no folder from here: the hub's"
        told.append(f"{name} ({kind})")
    return f"model: {', '.join(told)}"


def describe_cost(cost: Mapping[str, Any]) -> str:
    """Time and disk in words."""
    if not cost["stages"]:
        return "all stages are done"
    done = f", {cost['done']} stages are done" if cost["done"] else ""
    source = f"speeds of {cost['measured']} stages measured in the store, of "
    source += f"{cost['tabulated']} from a table"
    disk = (
        f"{cost['bytes'] / 1e9:.1f} GB" if cost["bytes"] > 1e9 else f"{cost['bytes'] / 1e6:.0f} MB"
    )
    large = cost["gpu_hours"] is not None
    core = "" if large else " of one core"
    lines = [f"left: about {_clock(cost['seconds'])}{core}, {disk}{done} ({source})"]
    if large:
        lines = [f"left: {disk}{done}; {_clock(cost['seconds'])} on one core ({source})"]
        lines += [f"GPU hours: {cost['gpu_hours']:,.1f}, estimated: {cost['formula']}"]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"

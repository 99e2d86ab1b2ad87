"""A plan for people: cells by arm and target, stages by verb."""

from __future__ import annotations

from collections import Counter

from xlt.core.show.terminal import table
from xlt.study.plan.records import Plan

__all__ = ["describe_plan"]


def describe_plan(plan: Plan) -> str:
    """Cells by arm and target, and how many stages they share."""
    targets = list(dict.fromkeys(cell.target for cell in plan.cells))
    count = Counter((cell.arm, cell.target) for cell in plan.cells)
    arms = dict.fromkeys(cell.arm for cell in plan.cells)
    rows = [[arm, *(str(count[arm, target] or "-") for target in targets)] for arm in arms]
    stages = Counter(stage.verb for stage in plan.stages.values())
    apart = sum(len(cell.all_stages) for cell in plan.cells)
    made = ", ".join(f"{number} {verb}" for verb, number in stages.items())
    lines = [
        f"{plan.study['name']} ({plan.study['scale']}): {plan.study['question']}",
        table(["cells of arm", *targets], rows),
        f"{len(plan.cells)} cells; {len(plan.stages)} stages ({made}) "
        f"in place of {apart} without sharing",
        f"primary estimand {plan.estimand_hash[:12]}: {plan.study['estimand']}",
        *(f"left out: {text}" for text in plan.left_out),
    ]
    return "\n".join(lines)

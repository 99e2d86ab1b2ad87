"""What the key of a cell is made of: everything that its scores depend on."""

from __future__ import annotations

from typing import Any

from xlt.core.kinds.table import kind_of
from xlt.evalsuite.compute.cells import Identity
from xlt.evalsuite.compute.sources import code_hash
from xlt.evalsuite.plan.inputs import Inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.plan.provenance import majority_label

__all__ = ["identify"]

# Fields of a task's record that no cell's score depends on, only what is averaged and told.
AVERAGING = {"name", "role", "suite", "group", "languages", "source"}


def identify(plan: Plan, cell: Planned, inputs: Inputs) -> Identity:
    """The content key of a cell."""
    task = cell.task
    settings: dict[str, Any] = {}
    matching = kind_of(task).matching
    if matching is not None:
        settings |= matching.settings
        if matching.two_way and plan.both_directions:
            settings["both_directions"] = True
    prompt = cell.assignment.prompt
    if prompt is not None and cell.bundle.manifest.get("prompts"):
        settings["prompt"] = prompt.text
    majority = majority_label(cell.assignment)
    if majority is not None:
        settings["majority"] = majority
    return Identity(
        bundle=cell.bundle.key,
        data=inputs.sha256,
        task=task.name,
        lang=cell.lang,
        split=cell.split,
        record={key: value for key, value in task.to_json().items() if key not in AVERAGING},
        scorer=code_hash("scorer"),
        encoder=code_hash("encoder"),
        precision=cell.bundle.precision,
        settings=settings,
    )

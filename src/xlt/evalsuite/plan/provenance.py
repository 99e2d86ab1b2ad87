"""What the manifest of a bundle says about its training, as flags of a cell and for the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.core.artifacts.bundle import Bundle
from xlt.core.kinds.table import kind_of
from xlt.evalsuite.plan.choose import Assignment

__all__ = [
    "IN_WORDS", "SAME_LANGUAGE", "SEEN_LANGUAGE", "SEEN_TASK", "UNDECLARED", "bundle_record",
    "majority_label", "training_flags",
]  # fmt: skip

UNDECLARED = "training data not declared"
IN_WORDS = "training data told in words, not by language"
SAME_LANGUAGE = "task seen in training in this language"
SEEN_TASK = "task seen in training"
SEEN_LANGUAGE = "language seen in training"


def training_flags(assignment: Assignment, lang: str) -> list[str]:
    """Remarks on what the model has seen of the cell's task and language, or "not declared".

    A task counts as seen when its own data or those of the task that trains it were used; a
    language also when it was seen in another task or as plain text.
    """
    manifest = assignment.bundle.manifest
    seen = _seen(assignment, manifest.get("trained_on") or {}, lang)
    swept = (manifest.get("lineage") or {}).get("layer_sweep")
    return [*seen, f"layer {swept['label']}"] if swept else seen


def _seen(assignment: Assignment, trained: Mapping[str, Any], lang: str) -> list[str]:
    if not trained.get("declared"):
        return [UNDECLARED]
    # a card or a flag tells of foreign models in words: no language is known to be new to them
    told = [IN_WORDS] if trained.get("by") else []
    names = {assignment.task.name, assignment.task.source}
    labelled = {(part.get("task"), part.get("lang")) for part in trained.get("data", [])}
    if any((name, lang) in labelled for name in names):
        return [SAME_LANGUAGE, *told]
    flags = []
    if names & set(trained.get("tasks", [])):
        flags.append(SEEN_TASK)
    if lang in trained.get("languages", []):
        flags.append(SEEN_LANGUAGE)
    return flags + told


def majority_label(assignment: Assignment) -> str | None:
    """The most frequent label of the bundle's training data, for tasks that have labels."""
    label = (assignment.bundle.manifest.get("baseline") or {}).get("label")
    return label if kind_of(assignment.task).classes and label in assignment.task.labels else None


def bundle_record(bundle: Bundle) -> dict[str, Any]:
    """The fields of results.json about a bundle."""
    manifest = bundle.manifest
    return {
        "key": bundle.key,
        "task": bundle.task.name,
        "answers": list(bundle.answers),
        "trained_before": (manifest.get("lineage") or {}).get("trained_before"),
        **{
            name: manifest.get(name)
            for name in ("max_length", "pooling", "layer", "layers", "trained_on", "baseline")
        },
    }

"""What the model had seen in training: means over a task's languages with and without those cells.

The flags of a cell say it (`plan.provenance`). Where the bundle does not declare its training
data nothing can be left out, and no mean without them is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.evalsuite.plan.provenance import (
    IN_WORDS,
    SAME_LANGUAGE,
    SEEN_LANGUAGE,
    SEEN_TASK,
    UNDECLARED,
)

__all__ = ["WITHOUT", "seen_means", "unseen_mean"]

# What is left out -> the flags that say so. Zero-shot transfer is the first: the task was
# trained in other languages only. The last leaves what shares nothing with the training data.
WITHOUT: Mapping[str, frozenset[str]] = {
    "task in the language": frozenset({SAME_LANGUAGE}),
    "language": frozenset({SAME_LANGUAGE, SEEN_LANGUAGE}),
    "task or language": frozenset({SAME_LANGUAGE, SEEN_LANGUAGE, SEEN_TASK}),
}


def seen_means(
    cells: Sequence[Mapping[str, Any]], tasks: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Means of every task over all languages of its mean, and without those that were seen.

    Args:
        cells: as in results.json.
        tasks: its `tasks`, which name the languages that are in no mean.

    Returns:
        Task -> `declared`, `mean` in percent, `langs`, and `without`: what is left out ->
        `mean` (None where nothing is left) and `langs`; empty when the training data of a cell
        are not declared by task and language.
    """
    found: dict[str, dict[str, Any]] = {}
    for task in dict.fromkeys(cell["task"] for cell in cells):
        beyond = tasks.get(task, {}).get("extra_langs", ())
        rows = [
            cell
            for cell in cells
            if cell["task"] == task and cell["score"] is not None and cell["lang"] not in beyond
        ]
        if not rows:
            continue
        declared = not any({UNDECLARED, IN_WORDS} & set(cell["flags"]) for cell in rows)
        found[task] = {
            "declared": declared,
            **_mean(rows),
            "without": {
                name: _mean([cell for cell in rows if not flags & set(cell["flags"])])
                for name, flags in WITHOUT.items()
                if declared
            },
        }
    return found


def unseen_mean(record: Mapping[str, Any], task: str) -> float | None:
    """A task's mean over the languages that were in no training data, if any are known."""
    without = record.get("seen", {}).get(task, {}).get("without", {})
    value: float | None = without.get("language", {}).get("mean")
    return value


def _mean(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [cell["score"] for cell in cells]
    return {
        "mean": sum(scores) / len(scores) if scores else None,
        "langs": [cell["lang"] for cell in cells],
    }

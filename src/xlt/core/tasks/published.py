"""Scores that others published, to stand beside ours and never in a mean of ours.

Only cells that were read in the named source are here; what is known by hearsay is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Published", "published"]

FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One model on one task, zero-shot from English, on the test set.

    Attributes:
        model: as its authors call it; `about` says which checkpoint that is.
        task: of XTREME, or "all": the mean of the nine.
        metric: the name of the score.
        mean: over the task's official languages, in percent; None where it was not found.
        langs: language -> percent, where they were found.
        source: where the numbers were read.
    """

    model: str
    about: str
    task: str
    metric: str
    source: str
    mean: float | None = None
    langs: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As results.json has it."""
        return {
            "model": self.model, "about": self.about, "task": self.task, "metric": self.metric,
            "mean": self.mean, "langs": dict(self.langs), "source": self.source,
        }  # fmt: skip


def published(task: str) -> tuple[Published, ...]:
    """What is known of a task, or of "all" nine together; empty for other tasks."""
    return tuple(row for row in _rows() if row.task == task)


@cache
def _rows() -> tuple[Published, ...]:
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Published(
            **{**row, "source": known["sources"][row["source"]]},
            about=known["models"][row["model"]],
        )
        for row in known["rows"]
    )

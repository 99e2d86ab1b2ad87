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

__all__ = ["Change", "Published", "published", "published_changes"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What intermediate training changed in Phang et al. 2020, averaged over the target tasks.

    Attributes:
        arm: the intermediate task, `all` nine together, or the best per target.
        points: against XLM-R Large without intermediate training.
        version: of the paper.
        about: what else is known of it.
        source: where it was read.
    """

    arm: str
    points: float
    version: str
    about: str
    source: str


def published(task: str) -> tuple[Published, ...]:
    """What is known of a task, or of "all" nine together; empty for other tasks."""
    return tuple(row for row in _rows() if row.task == task)


def published_changes() -> tuple[Change, ...]:
    """The changes that were read in a source; rows by single task and target are not known."""
    known = _known()
    return tuple(
        Change(**{**row, "source": known["sources"][row["source"]]}) for row in known["changes"]
    )


@cache
def _known() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return value


@cache
def _rows() -> tuple[Published, ...]:
    known = _known()
    return tuple(
        Published(
            **{**row, "source": known["sources"][row["source"]]},
            about=known["models"][row["model"]],
        )
        for row in known["rows"]
    )

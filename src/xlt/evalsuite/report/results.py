"""Results of an evaluation: results.json, and the one number that stands for a cell or a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.metrics.averages import task_mean
from xlt.evalsuite.compute.failures import Failure

__all__ = ["SCHEMA", "Results", "find_results", "task_scores"]

FILE = "results.json"

SCHEMA = 2
READABLE = {1, SCHEMA}  # 1 tells neither the parts of a cell's key nor the hashes of its items


@dataclass(frozen=True, kw_only=True, repr=False)
class Results:
    """What an evaluation found.

    Attributes:
        path: the results folder.
        record: the content of results.json (its fields: docs/eval.md).
        failures: cells that failed in this call; empty when the record is complete.
        status: "task/lang" -> "kept", "new" or "redone: why", of this call.
    """

    path: Path
    record: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()
    status: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, *, comparable: bool = False) -> Results:
        """Read a results folder.

        Args:
            path: the folder.
            comparable: it must tell its items, as comparisons need: earlier versions did not.

        Raises:
            DataError: there is no results.json, or it is not one of ours.
        """
        file = path / FILE
        if not file.is_file():
            raise DataError(f"{path}: no results.json there", "give a folder that `xlt eval` wrote")
        record = read_json(file)
        known = {SCHEMA} if comparable else READABLE
        if not isinstance(record, dict) or record.get("schema") not in known:
            raise DataError(
                f"{file}: not the results of this version (schema {SCHEMA} is needed)",
                "run `xlt eval` again",
            )
        return cls(path=path, record=record)

    def __repr__(self) -> str:
        means = {task: self.score(task) for task in self.tasks}
        shown = ", ".join(f"{t} {_shown(s, self.is_partial(t))}" for t, s in means.items())
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"Results({str(self.path)!r}, {len(self.cells)} cells{failed}: {shown or 'none'})"

    @property
    def cells(self) -> Sequence[Mapping[str, Any]]:
        """The finished cells."""
        cells: Sequence[Mapping[str, Any]] = self.record["cells"]
        return cells

    @property
    def tasks(self) -> list[str]:
        """The tasks of the cells, in their order."""
        return list(dict.fromkeys(cell["task"] for cell in self.cells))

    def scores(self, task: str) -> dict[str, float]:
        """Language -> score of one task, in percent; cells without a score are left out."""
        return task_scores(self.cells, task)

    def score(self, task: str, lang: str | None = None) -> float | None:
        """The mean of a task or the score of one cell, in percent, if it has one.

        The mean is the official average, or, where `is_partial`, that of the languages there are.
        """
        if lang is not None:
            return self.scores(task).get(lang)
        return task_mean(self.record["tasks"].get(task, {}))[0]

    def is_partial(self, task: str) -> bool:
        """Whether the mean of a task is over fewer than its official languages."""
        return task_mean(self.record["tasks"].get(task, {}))[1]


def find_results(paths: Iterable[Path]) -> list[Path]:
    """Results folders; a folder of runs stands for the results of each, in the order of names.

    A path that holds neither is kept, for whoever opens it to say so.
    """
    found: list[Path] = []
    for path in paths:
        folders = sorted(one for one in path.iterdir() if one.is_dir()) if path.is_dir() else []
        places = [place for one in folders for place in (one, one / "results")]
        several = [place for place in places if (place / FILE).is_file()]
        whole = (path / FILE).is_file() or not several
        found += [path] if whole else several
    return list(dict.fromkeys(found))


def _shown(score: float | None, partial: bool) -> str:
    return "-" if score is None else f"{score:.1f}{'*' if partial else ''}"


def task_scores(cells: Iterable[Mapping[str, Any]], task: str) -> dict[str, float]:
    """Language -> score of the cells of one task, in their order."""
    return {
        cell["lang"]: cell["score"]
        for cell in cells
        if cell["task"] == task and cell["score"] is not None
    }

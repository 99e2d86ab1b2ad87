"""The results folders of a report, checked before anything is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError
from xlt.core.files import sha256_file
from xlt.core.tasks.table import TARGETS
from xlt.evalsuite.report.results import REPEAT, Results

__all__ = ["Cell", "Source", "open_sources", "task_order"]

Cell = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One results folder.

    Attributes:
        name: what it is called in the report: the run's folder, told apart where needed.
        results: its record.
        cells: (task, language) -> cell, in the record's order.
    """

    name: str
    results: Results
    cells: Mapping[tuple[str, str], Cell]

    @property
    def path(self) -> Path:
        """The folder."""
        return self.results.path

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8."""
        return str(self.results.record["precision"])

    def score(self, task: str, lang: str) -> float | None:
        """The score of a cell, in percent."""
        cell = self.cells.get((task, lang))
        return None if cell is None or cell["score"] is None else float(cell["score"])

    def predictions(self, cell: Cell) -> Path | None:
        """The cell's predictions file.

        Raises:
            DataError: it has gone, or was changed after it was scored.
        """
        if cell["predictions"] is None:
            return None
        path: Path = self.path / cell["predictions"]
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise DataError(f"{self.path}: {cell['predictions']!r} lies outside", REPEAT)
        if not path.is_file():
            raise DataError(f"{path}: the predictions have gone", REPEAT)
        wanted = cell.get("predictions_sha256")
        if wanted is not None and sha256_file(path) != wanted:
            raise DataError(f"{path}: was changed after it was scored", REPEAT)
        return path


def open_sources(paths: Sequence[Path], others: Sequence[Path] = ()) -> list[Source]:
    """Open results folders; names differ also from those of the `others`.

    Raises:
        DataError: a folder holds no results, unfinished or damaged ones, or those of another tool.
        UsageError: folders of different splits.
    """
    opened = [_open(path) for path in paths]
    names = _names([*paths, *others])
    sources = [
        Source(
            name=name,
            results=results,
            cells={(cell["task"], cell["lang"]): cell for cell in results.cells},
        )
        for name, results in zip(names, opened, strict=False)
    ]
    splits = {source.results.record["split"] for source in sources}
    if len(splits) > 1:
        raise UsageError(
            "the results are of different splits: " + ", ".join(sorted(splits)),
            "make one report of each",
        )
    return sources


def task_order(sources: Sequence[Source]) -> list[str]:
    """All tasks: XTREME's in their order, then the others as they come."""
    found = dict.fromkeys(task for source in sources for task in source.results.tasks)
    return [task for task in TARGETS if task in found] + [t for t in found if t not in TARGETS]


def _open(path: Path) -> Results:
    if not path.is_dir():
        raise DataError(f"{path}: no such folder", "give folders that `xlt eval` wrote")
    return Results.open(path, comparable=True)


def _names(paths: Sequence[Path]) -> list[str]:
    """The last folder that says something; more of the path where two are called alike."""
    parts = [[p for p in path.resolve().parts if p != "results"] or ["results"] for path in paths]
    names = [part[-1] for part in parts]
    if len(set(names)) < len(names):
        names = ["/".join(part[-2:]) for part in parts]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return names

"""Two evaluations side by side, on the items that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xlt.core.errors import DataError
from xlt.core.metrics.table import headline_mean, scores_of
from xlt.evalsuite.compute.items import read_items
from xlt.evalsuite.report.results import Results

__all__ = ["Compared", "about", "compare", "compare_runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One task and language that both have scored.

    Attributes:
        n: items here.
        n_before: items of the other results.
        n_common: items that are in both, by their hashes.
        now, before: scores on the common items, in percent; None when there are none. Of several
            runs it is their mean, and sizes are those of the run that shares the least.
        runs: the score of each of several runs of the other setting.
    """

    task: str
    lang: str
    n: int
    n_before: int
    n_common: int
    now: float | None
    before: float | None
    runs: tuple[float, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both are over the same items."""
        return self.n == self.n_before == self.n_common

    @property
    def change(self) -> float:
        """Points by which the score on the common items has risen."""
        assert self.now is not None and self.before is not None, "nothing is common"
        return self.now - self.before

    @property
    def sizes(self) -> str:
        """`40 common of 50 and 45`: what was compared of what is here and of what was there."""
        return f"{self.n_common} common of {self.n} and {self.n_before}"


def compare(results: Results, against: Results) -> list[Compared]:
    """Every task and language that both have scored.

    Raises:
        DataError: no item is in both, or the items of a cell cannot be read.
    """
    others = {(cell["task"], cell["lang"]): cell for cell in _scored(against)}
    found = [
        _compared(results, cell, against, others[cell["task"], cell["lang"]])
        for cell in _scored(results)
        if (cell["task"], cell["lang"]) in others
    ]
    if not any(one.n_common for one in found):
        raise DataError(
            f"{against.path} ({against.record['split']}) and these results "
            f"({results.record['split']}) have no scored item in common",
            "compare evaluations of the same tasks, languages and data",
        )
    return found


def compare_runs(results: Results, runs: Sequence[Results]) -> list[Compared]:
    """Every task and language that these results and all the others have scored.

    Args:
        results: those of one checkpoint.
        runs: one, or several seeds of one setting.

    Raises:
        DataError: no item is in both, or the items of a cell cannot be read.
    """
    if len(runs) == 1:
        return compare(results, runs[0])
    tables = [{(one.task, one.lang): one for one in compare(results, run)} for run in runs]
    return [
        _joined([table[key] for table in tables])
        for key in tables[0]
        if all(key in table for table in tables)
    ]


def about(now: int, before: int) -> str:
    """What a difference between so many checkpoints and so many others can speak of."""
    if now == before == 1:
        return "these two checkpoints"
    if now == before:
        return f"two settings, {now} seeds each, paired in the order given"
    if now == 1:
        return f"this checkpoint against a setting of {before} seeds"
    if before == 1:
        return f"a setting of {now} seeds against one checkpoint"
    return f"these {now + before} checkpoints"


def _joined(parts: Sequence[Compared]) -> Compared:
    """One language against several runs."""
    least = min(parts, key=lambda one: (one.n_common, one.equal))
    pairs = [
        (one.now, one.before) for one in parts if one.now is not None and one.before is not None
    ]
    if len(pairs) < len(parts):
        return replace(least, now=None, before=None, n_common=0)
    now, before = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    return replace(least, now=now, before=before, runs=tuple(pair[1] for pair in pairs))


def _scored(results: Results) -> list[Mapping[str, Any]]:
    return [cell for cell in results.cells if cell["score"] is not None]


def _compared(
    results: Results, cell: Mapping[str, Any], against: Results, other: Mapping[str, Any]
) -> Compared:
    for folder, one in ((results, cell), (against, other)):
        parts = one.get("parts") or {}
        known = isinstance(parts.get("record"), dict) and isinstance(parts.get("data"), str)
        if not known or not one.get("items"):
            raise DataError(
                f"{folder.path}: {one['task']}/{one['lang']} does not tell its items",
                "run `xlt eval` again",
            )
    names = {"task": cell["task"], "lang": cell["lang"], "n": cell["n"], "n_before": other["n"]}
    metric = cell["parts"]["record"].get("metric")
    if metric != other["parts"]["record"].get("metric"):
        return Compared(**names, n_common=0, now=None, before=None)
    if cell["parts"]["data"] == other["parts"]["data"]:
        return Compared(**names, n_common=cell["n"], now=cell["score"], before=other["score"])
    here, there = (
        read_items(folder.path / one["items"])
        for folder, one in ((results, cell), (against, other))
    )
    _, at, at_other = np.intersect1d(here.hashes, there.hashes, return_indices=True)
    if len(at) == len(here.hashes) == len(there.hashes):
        return Compared(**names, n_common=cell["n"], now=cell["score"], before=other["score"])
    if not len(at):
        return Compared(**names, n_common=0, now=None, before=None)
    now, before = (
        headline_mean(metric, scores_of(metric, items.counts[rows]))
        for items, rows in ((here, at), (there, at_other))
    )
    return Compared(**names, n_common=len(at), now=now, before=before)

"""A report: everything it holds, and its five forms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, XltError
from xlt.core.show.page import render
from xlt.core.show.sheet import Sheet
from xlt.data import DataRoot
from xlt.data.taskfile import SHIPPED
from xlt.evalsuite.compute.rows import score_interval
from xlt.evalsuite.report.page.beside import cross_maps, cross_sheets, published_sheet, seen_sheet
from xlt.evalsuite.report.page.curves import learning_curves
from xlt.evalsuite.report.page.deltas import Delta, deltas, scope
from xlt.evalsuite.report.page.drawings import delta_figures, family_bars, score_map
from xlt.evalsuite.report.page.examples import Texts, read_examples
from xlt.evalsuite.report.page.items import read_items
from xlt.evalsuite.report.page.scores import (
    delta_sheet,
    long_form,
    overview,
    precision_cost,
    provenance,
    score_sheet,
    side_by_side,
)
from xlt.evalsuite.report.page.sources import Source, open_sources, task_order
from xlt.evalsuite.report.results import find_results

__all__ = ["FORMATS", "Report", "ReportConfig", "build_report", "check_out"]

FORMATS = ("html", "json", "csv", "markdown", "latex")
TEMPLATE = Path(__file__).with_name("report.html")
FILLED = "Filled points: p <= .05 after Holm's correction over the languages of the task."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """What to report.

    Attributes:
        results: folders that `xlt eval` wrote, or folders of runs; several are runs or seeds of
            one setting.
        baseline: folders to compare with, one or as many for tests over seeds.
        task_files: of further tasks of the results; those of the data root are known.
        data: data root; None: the one that the results name.
        examples: right and as many wrong items of each cell that is shown.
    """

    results: tuple[Path, ...]
    baseline: tuple[Path, ...] = ()
    data: Path | None = None
    task_files: tuple[Path, ...] = ()
    examples: int = 2

    def __post_init__(self) -> None:
        if not self.results:
            raise UsageError("no results folder given", "xlt report RES --out report.html")
        now, before = (find_results(paths) for paths in (self.results, self.baseline))
        same = {path.resolve() for path in now} & {path.resolve() for path in before}
        if same:
            raise UsageError(f"{min(same)} is both result and baseline", "name two folders")


@dataclass(kw_only=True)
class Report:
    """The numbers of a report, before they have a form."""

    sources: list[Source]
    baseline: list[Source]
    scope: str = ""
    intervals: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    changes: list[Delta] = field(default_factory=list)
    costs: list[tuple[str, list[Delta]]] = field(default_factory=list)
    examples: list[Texts] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def sheets(self) -> list[Sheet]:
        """The tables, in the order of the page."""
        found = [overview(self.sources)]
        runs = side_by_side(self.sources)
        if runs:
            found.append(runs)
        if self.changes:
            note = f"In points, {self.scope}. p: corrected over the languages of a task by Holm. "
            note += "Detectable: the difference that would be found four times of five."
            found.append(delta_sheet(self.changes, "Differences to the baseline", note))
        for number, (name, cost) in enumerate(self.costs):
            note = f"{name}, in points, language by language."
            found.append(delta_sheet(cost, f"What {name} costs", note, f"precision-{number}"))
        found += [*cross_sheets(self.sources), seen_sheet(self.sources)]
        beside = published_sheet(self.sources)
        if beside is not None:
            found.append(beside)
        return [*found, score_sheet(self.sources, self.intervals), provenance(self.sources)]

    def text(self, form: str) -> str:
        """The report in one of `FORMATS`."""
        if form == "csv":
            return long_form(self.sources, self.baseline).csv()
        if form == "json":
            return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if form == "markdown":
            return "\n".join(sheet.markdown() for sheet in self.sheets())
        if form == "latex":
            return "\n".join(sheet.latex() for sheet in self.sheets())
        return self.html()

    def to_json(self) -> dict[str, Any]:
        """The tables by name, and what was left out and why."""
        return {
            "schema": 1,
            "results": [str(source.path) for source in self.sources],
            "baseline": [str(source.path) for source in self.baseline],
            "scope": self.scope,
            "tables": {sheet.name: sheet.to_json() for sheet in self.sheets()},
            "left_out": self.left_out,
        }

    def html(self) -> str:
        """The page."""
        sheets = {sheet.name: sheet for sheet in self.sheets()}
        first = self.sources[0].results.record
        failed = [f for source in self.sources for f in source.results.record["failed"]]
        missing = {
            task: langs
            for source in self.sources
            for task, langs in source.results.record["missing"].items()
        }
        return render(
            TEMPLATE,
            {
                "report": self,
                "split": first["split"],
                "precisions": sorted({source.precision for source in self.sources}),
                "cells": sum(len(source.cells) for source in self.sources),
                "score_map": score_map(self.sources, self.intervals),
                "families": family_bars(self.sources, self.intervals),
                "changes": delta_figures(self.changes, [*self.sources, *self.baseline]),
                "costs": [
                    (name, delta_figures(cost, self.sources), sheets[f"precision-{number}"])
                    for number, (name, cost) in enumerate(self.costs)
                ],
                "curves": learning_curves(self.sources),
                "cross": [(t, f, sheets[f"cross-{t}"]) for t, f in cross_maps(self.sources)],
                "sheets": sheets,
                "failed": failed,
                "missing": missing,
                "filled": FILLED,
            },
        )


def build_report(config: ReportConfig) -> Report:
    """Read everything that a report needs. Nothing is written.

    Raises:
        DataError: a folder holds no results of ours, or the data root that was named is none.
    """
    now, before = find_results(config.results), find_results(config.baseline)
    baseline = open_sources(before, now) if before else []
    sources = open_sources(now, before)
    report = Report(sources=sources, baseline=baseline)
    root = _root(config, report)
    report.intervals = _intervals(sources, root, report)
    if baseline:
        report.scope = scope(sources, baseline)
        for task in task_order(sources):
            report.changes += deltas(task, sources, baseline, root, report.left_out)
    for reduced, full in precision_cost(sources):
        cost: list[Delta] = []
        for task in task_order([reduced]):
            cost += deltas(task, [reduced], [full], root, report.left_out)
        report.costs.append((f"{reduced.precision} against {full.precision}", cost))
    if root is not None and config.examples:
        report.examples = read_examples(sources[0], root, config.examples, report.left_out)
    return report


def check_out(out: Path, config: ReportConfig) -> None:
    """Refuse to write into a folder that is read.

    Raises:
        UsageError: the file would lie in a results folder, or is a folder.
    """
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder", "name a file, such as report.html")
    for folder in (*config.results, *config.baseline):
        if out.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"--out {out} lies in {folder}, which is only read", "write elsewhere")


def _root(config: ReportConfig, report: Report) -> DataRoot | None:
    """The data root; without one, examples and tests are left out and the report says so."""
    tasks = task_order([*report.sources, *report.baseline])
    shipped = [Path(task) for task in tasks if (SHIPPED / f"{task}.yaml").is_file()]
    given = {path.stem for path in config.task_files}
    beyond = [*config.task_files, *(path for path in shipped if path.stem not in given)]
    if config.data is not None:
        return DataRoot(config.data, task_files=beyond)
    named = [source.results.record.get("data") for source in report.sources]
    for name in named:
        if isinstance(name, str) and Path(name).is_dir():
            return DataRoot(Path(name), task_files=beyond)
    known = [str(name) for name in named if name]
    why = f"the data root {known[0]} is not there" if known else "the results name no data root"
    report.left_out.append(f"examples, tests and intervals of items: {why}; give --data ROOT")
    return None


def _intervals(
    sources: Sequence[Source], root: DataRoot | None, report: Report
) -> dict[tuple[str, str], tuple[float, float]]:
    """Intervals of the scores of a single folder: those it holds, else from its items."""
    if len(sources) != 1:
        return {}
    found = {}
    for (task, lang), cell in sources[0].cells.items():
        bounds = cell.get("interval")
        if isinstance(bounds, dict):
            found[task, lang] = (float(bounds["low"]), float(bounds["high"]))
        elif root is not None and cell["score"] is not None:
            try:
                found[task, lang] = _from_items(sources[0], root, task, lang)
            except XltError as error:
                report.left_out.append(f"{task}/{lang}: no interval, {error.message}")
    return found


def _from_items(source: Source, root: DataRoot, task: str, lang: str) -> tuple[float, float]:
    record, path = root.tasks.get(task), source.predictions(source.cells[task, lang])
    if record is None or path is None:
        raise DataError("no predictions of a known task", "")
    split = str(source.results.record["split"])
    bounds = score_interval(record, lang, read_items(root, record, lang, split, path).rows)
    return float(bounds["low"]), float(bounds["high"])

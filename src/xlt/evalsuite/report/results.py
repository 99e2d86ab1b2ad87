"""Results of an evaluation: results.json, and the one number that stands for a cell or a task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.metrics.averages import task_mean
from xlt.evalsuite.compute.failures import Failure

__all__ = ["REPEAT", "SCHEMA", "Results", "find_results", "mistake", "task_scores"]

FILE = "results.json"

SCHEMA = 2
REPEAT = "run the same `xlt eval` again; it redoes only what is missing"
TEXTS, NAMES = (str,), (str, type(None))
NUMBERS = (int, float, type(None))
PARTS: Mapping[str, type] = {
    "split": str, "precision": str, "bundles": dict, "cells": list, "tasks": dict,
    "missing": dict, "failed": list, "languages": dict,
}  # fmt: skip
CELL: Mapping[str, tuple[type, ...]] = {
    "bundle": TEXTS, "task": TEXTS, "lang": TEXTS, "n": (int,), "score": NUMBERS,
    "metrics": (dict,), "flags": (list,), "predictions": NAMES, "key": TEXTS,
    "interval": (dict, type(None)), "items": NAMES, "predictions_sha256": NAMES,
    "baseline": (dict, type(None)), "parts": (dict,),
}  # fmt: skip
CELL_MAY_LACK = {"key", "interval", "items", "predictions_sha256", "baseline", "parts"}
BUNDLE: Mapping[str, tuple[type, ...]] = {
    "trained_on": (dict, type(None)), "trained_before": (dict, type(None)),
}  # fmt: skip
PAIR: Mapping[str, tuple[type, ...]] = {
    "context": TEXTS, "question": TEXTS, "n": (int,), "score": NUMBERS, "flags": (list,),
}  # fmt: skip
LANGUAGE = ("name", "family", "script")
READABLE = [1, SCHEMA]  # 1 tells neither the parts of a cell's key nor the hashes of its items


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
            DataError: there is no results.json, or it is not one of ours, or it is damaged.
        """
        file = path / FILE
        if not file.is_file() and (path / "cells").is_dir():
            raise DataError(f"{path}: an evaluation that is not finished, no {FILE}", REPEAT)
        if not file.is_file():
            raise DataError(f"{path}: no results.json there", "give a folder that `xlt eval` wrote")
        record = read_json(file)
        known = [SCHEMA] if comparable else READABLE
        if not isinstance(record, dict) or record.get("schema") not in known:
            raise DataError(
                f"{file}: not the results of this version (schema {SCHEMA} is needed)",
                "run `xlt eval` again",
            )
        wrong = mistake(record) if comparable else ""
        if wrong:
            raise DataError(f"{file}: {wrong}", "run `xlt eval` again")
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


def mistake(record: Mapping[str, Any]) -> str:
    """What is wrong with a record of results; an empty text when nothing is."""
    for name, kind in PARTS.items():
        if not isinstance(record.get(name), kind):
            return f"{name} is no {kind.__name__}"
    for name in ("bundles", "tasks", "languages"):
        for key, value in record[name].items():
            if not isinstance(value, dict):
                return f"{name}.{key} is {value!r}"
    faults = [_wrong_cell(record, place) for place in range(len(record["cells"]))]
    for name, bundle in record["bundles"].items():
        faults.append(_wrong_field(bundle, BUNDLE, set(BUNDLE), f"bundles.{name}"))
        seen = (bundle.get("trained_on") or {}).get("tasks", []) if not faults[-1] else []
        if not isinstance(seen, list):
            faults.append(f"bundles.{name}.trained_on.tasks is {seen!r}")
    for name, means in record["tasks"].items():
        if not isinstance(means.get("extra_langs", []), list):
            faults.append(f"tasks.{name}.extra_langs is {means['extra_langs']!r}")
    for task, langs in record["missing"].items():
        if not isinstance(langs, list) or not all(isinstance(lang, str) for lang in langs):
            faults.append(f"missing.{task} is {langs!r}")
    for place, one in enumerate(record["failed"]):
        if not isinstance(one, dict) or not {"task", "lang", "error"} <= set(one):
            faults.append(f"failed[{place}] is {one!r}")
    cross = record.get("cross", {})
    if not isinstance(cross, dict) or not all(isinstance(pairs, list) for pairs in cross.values()):
        faults.append(f"cross is {cross!r}")
    else:
        for task, pairs in cross.items():
            for place, pair in enumerate(pairs):
                faults.append(_wrong_field(pair, PAIR, set(), f"cross.{task}[{place}]"))
    return next((fault for fault in faults if fault), "")


def _wrong_cell(record: Mapping[str, Any], place: int) -> str:
    cell, where = record["cells"][place], f"cells[{place}]"
    fault = _wrong_field(cell, CELL, CELL_MAY_LACK, where)
    if fault:
        return fault
    for name, value in cell["metrics"].items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{where}.metrics.{name} is {value!r}"
    bounds = cell.get("interval")
    if bounds is not None and not all(
        isinstance(bounds.get(end), int | float) for end in ("low", "high")
    ):
        return f"{where}.interval is {bounds!r}"
    language = record["languages"].get(cell["lang"])
    if language is None or not all(isinstance(language.get(name), str) for name in LANGUAGE):
        return f"languages lacks {cell['lang']!r}, or its {', '.join(LANGUAGE)}"
    if cell["bundle"] not in record["bundles"]:
        return f"bundles lacks {cell['bundle']!r}"
    return ""


def _wrong_field(
    value: Any, fields: Mapping[str, tuple[type, ...]], may_lack: Collection[str], where: str
) -> str:
    """The first field that is missing or of another type, or a score that is no percentage."""
    if not isinstance(value, dict):
        return f"{where} is no object"
    for name, kinds in fields.items():
        if name not in value and name in may_lack:
            continue
        if name not in value or not isinstance(value[name], kinds) or value[name] is True:
            return f"{where}.{name} is {value.get(name)!r}"
    for flag in value.get("flags", ()):
        if not isinstance(flag, str):
            return f"{where}.flags has {flag!r}"
    score = value.get("score")
    if score is not None and not 0 <= score <= 100:
        return f"{where}.score is {score!r}, a percentage lies in 0 to 100"
    return ""


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

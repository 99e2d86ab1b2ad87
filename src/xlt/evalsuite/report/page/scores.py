"""The tables of a report: overview, every score, runs side by side, differences, provenance."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xlt.core.show.sheet import Sheet, Value
from xlt.evalsuite.report.page.deltas import MEAN, Delta
from xlt.evalsuite.report.page.sources import Source, task_order

__all__ = [
    "by_family",
    "delta_sheet",
    "long_form",
    "mean_score",
    "overview",
    "precision_cost",
    "provenance",
    "score_sheet",
    "side_by_side",
]


def mean_score(sources: Sequence[Source], task: str, lang: str) -> float | None:
    """The mean over the folders that have the cell."""
    found = [score for source in sources if (score := source.score(task, lang)) is not None]
    return sum(found) / len(found) if found else None


def languages(sources: Sequence[Source]) -> dict[str, Mapping[str, Any]]:
    """Code -> record of every language of the folders."""
    return {
        code: record
        for source in sources
        for code, record in source.results.record["languages"].items()
    }


def by_family(sources: Sequence[Source]) -> list[tuple[str, list[str]]]:
    """Families with their languages: Indo-European first, then by size and name."""
    known = languages(sources)
    codes = dict.fromkeys(lang for source in sources for _, lang in source.cells)
    families: dict[str, list[str]] = {}
    for code in codes:
        families.setdefault(known[code]["family"] or "other", []).append(code)
    first = {known[c]["family"]: bool(known[c].get("indo_european")) for c in codes}
    order = sorted(families, key=lambda f: (not first.get(f, False), -len(families[f]), f))
    return [
        (name, sorted(families[name], key=lambda c: (c != "en", known[c].get("branch", ""), c)))
        for name in order
    ]


def overview(sources: Sequence[Source]) -> Sheet:
    """One row a task: English, the others, the gap, the weakest language."""
    rows: list[list[Value]] = []
    for task in task_order(sources):
        scores = _task_scores(sources, task)
        if not scores:
            continue
        others = {lang: score for lang, score in scores.items() if lang != "en"}
        mean = sum(others.values()) / len(others) if others else None
        english = scores.get("en")
        worst = min(scores, key=lambda lang: scores[lang])
        rows.append(
            [
                task,
                sum(scores.values()) / len(scores),
                english,
                mean,
                None if english is None or mean is None else english - mean,
                f"{worst} {scores[worst]:.1f}",
                len(scores),
            ]
        )
    return Sheet(
        name="overview",
        title="Every task",
        header=["task", "mean", "English", "others", "gap", "weakest", "languages"],
        rows=rows,
        note="Percent; plain means over languages. Gap: English minus the mean of the others.",
    )


def score_sheet(sources: Sequence[Source], intervals: Mapping[tuple[str, str], Any]) -> Sheet:
    """Every score with its interval, where one is known."""
    known = languages(sources)
    rows: list[list[Value]] = []
    for task in task_order(sources):
        for lang, score in _task_scores(sources, task).items():
            bounds = intervals.get((task, lang), (None, None))
            cells = [s.cells[task, lang] for s in sources if (task, lang) in s.cells]
            flags = dict.fromkeys(flag for cell in cells for flag in cell["flags"])
            rows.append(
                [task, lang, known[lang]["name"], known[lang]["family"], score, *bounds,
                 cells[0]["n"], "; ".join(flags)]
            )  # fmt: skip
    return Sheet(
        name="scores",
        title="Every score",
        header=["task", "lang", "language", "family", "score", "low", "high", "n", "remarks"],
        rows=rows,
        note="Percent. Low and high: 95 % interval for other items of the same kind.",
    )


def side_by_side(sources: Sequence[Source]) -> Sheet | None:
    """Runs or seeds of one setting beside each other, with mean and spread; None for one run."""
    if len(sources) < 2:
        return None
    # precisions are not runs of one setting: their mean would mean nothing
    alike = len({source.precision for source in sources}) == 1
    last = ["mean", "spread"] if alike else []
    rows: list[list[Value]] = []
    for task in task_order(sources):
        common = [
            lang
            for lang in _task_scores(sources, task)
            if all(source.score(task, lang) is not None for source in sources)
        ]
        if not common:
            continue
        means = [
            sum(source.score(task, c) or 0.0 for c in common) / len(common) for source in sources
        ]
        spread = [sum(means) / len(means), statistics.stdev(means)] if alike else []
        rows.append([task, len(common), *means, *spread])
    return Sheet(
        name="runs",
        title="Runs side by side",
        header=["task", "languages", *(source.name for source in sources), *last],
        rows=rows,
        note="Mean over the languages that every run has, in percent."
        + (" Spread: standard deviation over the runs." if alike else ""),
    )


def delta_sheet(found: Iterable[Delta], title: str, note: str, name: str = "differences") -> Sheet:
    """Differences with their tests."""
    return Sheet(
        name=name,
        title=title,
        header=["task", "lang", "before", "after", "change", "low", "high", "p", "detectable"],
        rows=[
            [
                d.task, d.lang, d.before, d.after, d.change, d.low, d.high,
                None if d.p is None else f"{d.p:.2g}", d.detectable,
            ]
            for d in found
        ],
        note=note,
        signed=["change", "low", "high"],
    )  # fmt: skip


def precision_cost(sources: Sequence[Source]) -> list[tuple[Source, Source]]:
    """(reduced precision, fp32) pairs of folders of the same bundles, or of the only two kinds."""
    full = [source for source in sources if source.precision == "fp32"]
    reduced = [source for source in sources if source.precision != "fp32"]
    return list(zip(reduced, full, strict=False)) if len(full) == len(reduced) else []


def provenance(sources: Sequence[Source]) -> Sheet:
    """Which model gave which scores, and what it was trained on."""
    rows: list[list[Value]] = []
    for source in sources:
        for name, bundle in source.results.record["bundles"].items():
            trained = bundle.get("trained_on") or {}
            before = bundle.get("trained_before") or {}
            seen = " ".join(map(str, trained.get("tasks", []))) or "-"
            rows.append(
                [
                    source.name, name, source.precision, source.results.record["split"],
                    str(bundle.get("key", ""))[:12],
                    str(bundle.get("pooling") or "-"), str(bundle.get("layer") or "-"),
                    seen if trained.get("declared") else "not declared",
                    str(before.get("text") or trained.get("base") or "not declared"),
                ]
            )  # fmt: skip
    return Sheet(
        name="provenance",
        title="Where the numbers come from",
        header=[
            "results", "bundle", "precision", "split", "key", "pooling", "layer", "trained on",
            "base trained on",
        ],
        rows=rows,
        note="Key: the first digits of the hash over graph, tokenizer and task record.",
    )  # fmt: skip


def long_form(sources: Sequence[Source], baseline: Sequence[Source]) -> Sheet:
    """One row a folder, task, language and metric: what a spreadsheet or a script wants."""
    known = languages([*sources, *baseline])
    rows: list[list[Value]] = []
    for role, group in (("results", sources), ("baseline", baseline)):
        for source in group:
            for (task, lang), cell in source.cells.items():
                named = {"score": cell["score"], **cell["metrics"]}
                rows += [
                    [source.name, role, source.precision, task, lang, known[lang]["family"],
                     known[lang]["script"], cell["n"], metric, value]
                    for metric, value in named.items()
                ]  # fmt: skip
    header = ["source", "role", "precision", "task", "lang", "family", "script", "n", "metric"]
    return Sheet(name="long", title="All metrics", header=[*header, "value"], rows=rows)


def means_of(found: Sequence[Delta]) -> list[Delta]:
    """Only the means over languages."""
    return [delta for delta in found if delta.lang == MEAN]


def _task_scores(sources: Sequence[Source], task: str) -> dict[str, float]:
    langs = dict.fromkeys(lang for source in sources for name, lang in source.cells if name == task)
    scores = {lang: mean_score(sources, task, lang) for lang in langs}
    return {lang: score for lang, score in scores.items() if score is not None}

"""The figures of a report, from the same numbers as its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xlt.core.show.figures import Bar, Cell, Group, bars, differences, heat_map
from xlt.evalsuite.report.page.deltas import MEAN, Delta
from xlt.evalsuite.report.page.scores import by_family, languages, mean_score
from xlt.evalsuite.report.page.sources import Source, task_order

__all__ = ["Bounds", "delta_figures", "family_bars", "score_map"]

Bounds = Mapping[tuple[str, str], tuple[float, float]]
SEEN = "seen in training"


def score_map(sources: Sequence[Source], intervals: Bounds) -> str:
    """Languages by family in rows, tasks in columns; an asterisk: seen in training."""
    known = languages(sources)
    tasks = [task for task in task_order(sources) if _has_scores(sources, task)]

    def cell(task: str, lang: str) -> Cell:
        score = mean_score(sources, task, lang)
        if score is None:
            return Cell(value=None)
        bounds = intervals.get((task, lang))
        more = f" [{bounds[0]:.1f}, {bounds[1]:.1f}]" if bounds else ""
        found = [s.cells[task, lang] for s in sources if (task, lang) in s.cells]
        marked = any(SEEN in flag for one in found for flag in one["flags"])
        hint = f"{task}, {known[lang]['name']}: {score:.1f}{more}, n {found[0]['n']}"
        return Cell(value=score, hint=hint, marked=marked and lang != "en")

    groups = [
        Group(
            name=family,
            rows=[(known[lang]["name"], [cell(task, lang) for task in tasks]) for lang in codes],
        )
        for family, codes in by_family(sources)
    ]
    return heat_map("scores of every task in every language", tasks, groups)


def family_bars(sources: Sequence[Source], intervals: Bounds) -> list[tuple[str, str]]:
    """(task, figure): the mean of each family of languages.

    A family's interval has the mean half-width of its languages. The error of a mean is never
    larger than the mean of the errors, however the languages hang together, so it is never too
    narrow.
    """
    figures = []
    for task in task_order(sources):
        rows = []
        for family, codes in by_family(sources):
            scores = {c: s for c in codes if (s := mean_score(sources, task, c)) is not None}
            if not scores:
                continue
            mean = sum(scores.values()) / len(scores)
            known = [intervals[task, c] for c in scores if (task, c) in intervals]
            half = sum((high - low) / 2 for low, high in known) / len(known) if known else math.nan
            whole = len(known) == len(scores)
            rows.append(
                Bar(
                    label=family,
                    value=mean,
                    low=max(0.0, mean - half) if whole else None,
                    high=min(100.0, mean + half) if whole else None,
                    hint=f"{family}: {mean:.1f}, {' '.join(scores)}",
                )
            )
        if len(rows) > 1:
            figures.append((task, bars(f"{task} by family", rows)))
    return figures


def delta_figures(found: Sequence[Delta], sources: Sequence[Source]) -> list[tuple[str, str]]:
    """(task, figure): differences by language, the mean last."""
    known = languages(sources)
    figures = []
    for task in dict.fromkeys(delta.task for delta in found):
        rows = [
            Bar(
                label="mean" if d.lang == MEAN else str(known[d.lang]["name"]),
                value=d.change,
                low=d.low,
                high=d.high,
                sure=d.sure,
                hint=f"{d.lang}: {d.before:.1f} to {d.after:.1f}"
                + ("" if d.p is None else f", p {d.p:.2g}"),
            )
            for d in found
            if d.task == task
        ]
        figures.append((task, differences(f"{task}: differences in points", rows)))
    return figures


def _has_scores(sources: Sequence[Source], task: str) -> bool:
    return any(
        cell["score"] is not None for s in sources for (t, _), cell in s.cells.items() if t == task
    )

"""Two arms side by side: English, the mean of the other languages, and what changed.

Reads results files only (their format: architecture, results). Every number here is a score on
the test sets in percent; "x" is the plain mean over the languages other than English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlt.core.kinds.table import kind_of
from xlt.core.metrics.table import get_metric
from xlt.core.show.terminal import table
from xlt.core.tasks.table import TARGETS, TASKS

__all__ = ["Row", "compare", "findings", "text_table", "transfer_rows"]

CLEAR = 10.0  # points; what lies nearer to its baseline is left open


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task in two arms. Scores in percent; None where the task or language is absent."""

    task: str
    metric: str
    baseline: float | None
    direct: Mapping[str, float]
    intermediate: Mapping[str, float]

    def english(self, arm: str) -> float | None:
        """The English score of an arm."""
        return self._scores(arm).get("en")

    def others(self, arm: str) -> float | None:
        """The mean over the languages other than English."""
        values = [value for lang, value in self._scores(arm).items() if lang != "en"]
        return sum(values) / len(values) if values else None

    @property
    def change(self) -> float | None:
        """What the intermediate phase changes in the mean of the other languages."""
        before, after = self.others("direct"), self.others("intermediate")
        return None if before is None or after is None else after - before

    def _scores(self, arm: str) -> Mapping[str, float]:
        return self.direct if arm == "direct" else self.intermediate


def compare(
    results: Mapping[str, Mapping[str, Any]],
    references: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Row]:
    """One row for each target that any arm has.

    Args:
        results: results.json of "direct", "intermediate" and, for retrieval's baseline, "static".
        references: exact match of a uniform pick among the candidates, by task and language (the
            world's references.json).
    """
    rows = []
    for name in TARGETS:
        metric = get_metric(TASKS[name].metric).headline[0]
        scores = {
            arm: dict(results[arm]["tasks"].get(name, {}).get(metric, {}))
            for arm in ("direct", "intermediate")
        }
        if not any(scores.values()):
            continue
        rows.append(
            Row(
                task=name,
                metric=metric,
                baseline=_baseline(results, references or {}, name, metric),
                direct=scores["direct"],
                intermediate=scores["intermediate"],
            )
        )
    return rows


def transfer_rows(rows: list[Row], groups: Mapping[str, str]) -> list[tuple[str, str, float, int]]:
    """Mean change for each task and group of languages: (task, group, change, languages).

    Args:
        rows: of `compare`.
        groups: language code -> its group (family, script ...); English is left out.
    """
    found = []
    for row in rows:
        shared = [lang for lang in row.direct if lang in row.intermediate and lang != "en"]
        for group in sorted({groups[lang] for lang in shared if lang in groups}):
            deltas = [
                row.intermediate[lang] - row.direct[lang]
                for lang in shared
                if groups.get(lang) == group
            ]
            found.append((row.task, group, sum(deltas) / len(deltas), len(deltas)))
    return found


def findings(rows: list[Row]) -> list[str]:
    """What one run of each arm can show, in sentences; nothing about the intermediate phase.

    Training gives the same bits on one machine only, and one seed is one draw: the difference
    between the two arms may have the other sign on the next processor.
    """
    langs = {lang for row in rows for lang in (*row.direct, *row.intermediate)}
    said = [
        f"The path works: {len(rows)} tasks were trained, exported and scored in "
        f"{len(langs)} languages."
    ]
    known = [
        (row, score, row.baseline)
        for row in rows
        if (score := row.others("direct")) is not None and row.baseline is not None
    ]
    answered = [(row, score - base) for row, score, base in known if not _is_retrieval(row)]
    for words, chosen in (
        ("clearly above", [row.task for row, above in answered if above >= CLEAR]),
        ("near or below", [row.task for row, above in answered if above < CLEAR]),
    ):
        if chosen:
            said.append(
                f"In other languages than English, {words} the baseline (by {CLEAR:g} points), "
                f"trained directly: {', '.join(chosen)}."
            )
    for row, score, base in known:
        if _is_retrieval(row):
            side = "above" if score > base else "below"
            said.append(
                f"Retrieval, {row.task}: {score:.1f}, {side} the {base:.1f} of static embeddings."
            )
    said.append(
        "These two arms are one run each: their difference says nothing about the intermediate "
        "phase, and another seed or processor may turn its sign."
    )
    return said


def _is_retrieval(row: Row) -> bool:
    return TASKS[row.task].kind == "embed"


def text_table(rows: list[Row], intermediate: str) -> str:
    """The comparison for a terminal of 80 columns."""
    header = ["task", "metric", "baseline", "en", "x", f"+{intermediate} en", "x", "change x"]
    body = [
        [
            row.task,
            row.metric,
            _one(row.baseline),
            _one(row.english("direct")),
            _one(row.others("direct")),
            _one(row.english("intermediate")),
            _one(row.others("intermediate")),
            "-" if row.change is None else f"{row.change:+.1f}",
        ]
        for row in rows
    ]
    return table(header, body)


def _one(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _baseline(
    results: Mapping[str, Mapping[str, Any]],
    references: Mapping[str, Mapping[str, float]],
    task: str,
    metric: str,
) -> float | None:
    """Mean over the other languages of the task's simplest baseline, where there is one."""
    kind = kind_of(TASKS[task])
    if kind.vectors:
        by_lang = results.get("static", {}).get("tasks", {}).get(task, {}).get(metric, {})
    elif not kind.classes:
        by_lang = references.get(task, {})
    else:
        by_lang = {
            cell["lang"]: cell["baseline"][metric]
            for cell in results["direct"].get("cells", [])
            if cell["task"] == task and metric in cell.get("baseline", {})
        }
    values = [value for lang, value in by_lang.items() if lang != "en"]
    return sum(values) / len(values) if values else None

"""What `xlt eval` prints at its end: one screen of 80 columns, the rest stands in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.show import terminal as show
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.seen import unseen_mean

__all__ = [
    "COMPARISON", "LINES", "TABLES", "WIDTH", "averaged", "fold", "mean", "overview", "screen",
    "shown", "without_english",
]  # fmt: skip

WIDTH, LINES = 80, 24
TABLES, COMPARISON = "tables.txt", "comparison.txt"
HEADER = ["task", "score", "langs", "English", "others", "gap", "worst", "unseen"]
PUBLISHED = "XLM-R"  # of the published models the one whose numbers are most often compared
UNLABELLED = "no score, predictions only"


def screen(
    results: Results,
    more: Sequence[str] = (),
    changes: Mapping[str, str] | None = None,
    about: str = "",
) -> str:
    """One row a task and where the rest is; with the languages' own tables if those fit too.

    Args:
        results: what was found.
        more: tables of languages and texts on other results, shown when one screen holds all.
        changes: task -> its difference to other results, for a column of its own.
        about: lines on these differences; `more` has them too.
    """
    lines = [overview(results, changes)]
    nothing = [task for task in results.record["missing"] if task not in results.tasks]
    if nothing:
        lines.append(fold("no data", nothing))
    if results.failures:
        lines.append(fold("failed", [str(one).partition(":")[0] for one in results.failures]))
    beside = f"languages, metrics, families and remarks: {results.path / TABLES}"
    longer = "\n".join(["\n\n".join([*more, *lines]), beside])
    if longer.count("\n") < LINES:
        return longer
    return "\n".join([*lines, *([about] if about else []), beside])


def overview(results: Results, changes: Mapping[str, str] | None = None) -> str:
    """One row a task, then the group and overall scores; a star marks partial means."""
    record = results.record
    rows, silent = [], []
    for task in results.tasks:
        scores = averaged(record, task, results.scores(task))
        if not scores:
            silent.append(task)
            continue
        row = [
            task,
            *_row(scores, _star(results.is_partial(task))),
            shown(unseen_mean(record, task)),
        ]
        rows.append(row if changes is None else [*row, changes.get(task, "-")])
    notes = [fold(UNLABELLED, silent)] if silent else []
    if not rows:
        return "\n".join(["no task has a score", *notes])
    header = HEADER if changes is None else [*HEADER, "change"]
    lines = [show.table(header, _fitted(header, rows))]
    if any(results.is_partial(row[0]) for row in rows):
        lines.append("* not all official languages: a partial mean, not an XTREME score")
    lines.append(_unseen(record, [row[0] for row in rows]))
    groups = [
        f"{name} {value:.1f}{_star(partial)}"
        for partial in (False, True)
        for name, value in record.get("partial_groups" if partial else "groups", {}).items()
    ]
    if groups:
        lines.append(fold("groups", groups, gap="  "))
    for name, partial in (("all_task", False), ("partial_all_task", True)):
        if record.get(name) is not None:
            lines.append(f"all nine tasks: {record[name]:.1f}{_star(partial)}")
    return "\n".join([*lines, *_published(record), *notes])


def averaged(record: Mapping[str, Any], task: str, scores: Mapping[str, float]) -> dict[str, float]:
    """The scores that the task's mean is made of: those beyond the official set are not."""
    beyond = record["tasks"].get(task, {}).get("extra_langs", ())
    return {lang: score for lang, score in scores.items() if lang not in beyond}


def without_english(scores: Mapping[str, float]) -> list[float]:
    """The scores of the other languages."""
    return [score for lang, score in scores.items() if lang != "en"]


def mean(values: Sequence[float]) -> float:
    """The plain mean."""
    return sum(values) / len(values)


def shown(value: float | None) -> str:
    """One decimal, or a dash."""
    return "-" if value is None else f"{value:.1f}"


def fold(label: str, items: Sequence[str], *, gap: str = " ") -> str:
    """`label: item item ...` over as many lines of 80 columns as needed, indented."""
    lines, line = [], f"{label}:"
    for item in items:
        longer = f"{line}{' ' if line.endswith(':') else gap}{item}"
        if len(longer) > WIDTH and line.strip():
            lines.append(line)
            line = f"  {item}"
        else:
            line = longer
    return "\n".join([*lines, line])


def _row(scores: Mapping[str, float], star: str) -> list[str]:
    others, english = without_english(scores), scores.get("en")
    gap = english - mean(others) if english is not None and others else None
    return [
        f"{mean(list(scores.values())):.1f}{star}",
        str(len(scores)),
        shown(english),
        shown(mean(others) if others else None),
        shown(gap),
        _worst(scores),
    ]


def _worst(scores: Mapping[str, float]) -> str:
    """The language with the lowest score, the first of equals; nothing where there is one only."""
    lang = min(scores, key=lambda code: scores[code])
    return f"{lang} {scores[lang]:.1f}" if len(scores) > 1 else "-"


def _star(partial: bool) -> str:
    return "*" if partial else ""


def _fitted(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows with long names of tasks cut, so that a line has at most 80 columns."""
    columns = list(zip(header, *rows, strict=True))[1:]
    room = WIDTH - sum(max(map(len, column)) + 2 for column in columns)
    return [
        [name if len(name) <= room else name[: max(1, room - 1)] + "…", *rest]
        for name, *rest in rows
    ]


def _unseen(record: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """What the last column is, and for which tasks it cannot be told."""
    known = record.get("seen", {})
    silent = [task for task in tasks if task in known and not known[task]["declared"]]
    line = "unseen: mean over languages in no training data, the base model's not counted"
    return fold(f"{line}; not declared", silent) if silent else line


def _published(record: Mapping[str, Any]) -> list[str]:
    """The published means of one model, which are in no number of ours."""
    rows = [
        row
        for row in record.get("published", ())
        if row["model"] == PUBLISHED and row["mean"] is not None
    ]
    short = {"exact_match": " EM", "f1": " F1"}
    parts = [f"{r['task']}{short.get(r['metric'], '')} {r['mean']:.1f}" for r in rows]
    return [fold(f"published, {PUBLISHED}", parts, gap="  ")] if parts else []

"""What stands beside our scores: published ones, means without what was seen, language pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xlt.core.show.figures import Cell, Group, heat_map
from xlt.core.show.sheet import Sheet, Value
from xlt.core.tasks.published import Published, published
from xlt.core.tasks.table import TARGETS
from xlt.evalsuite.report.page.scores import mean_score
from xlt.evalsuite.report.page.sources import Source, task_order
from xlt.evalsuite.report.seen import WITHOUT, seen_means

__all__ = ["cross_maps", "cross_sheets", "published_sheet", "seen_sheet"]


def published_sheet(sources: Sequence[Source]) -> Sheet | None:
    """Published scores beside ours, where test sets and metrics are the same; None without any.

    Of languages those that we have too. Ours is over all official languages, else there is none.
    """
    records = [source.results.record for source in sources]
    invented = any(one.get("constructed") for r in records for one in r["languages"].values())
    if invented or any(record["split"] != "test" for record in records):
        return None
    tasks = [task for task in task_order(sources) if task in TARGETS]
    whole = ["all"] if len(tasks) == len(TARGETS) else []
    rows = [row for task in [*tasks, *whole] for row in published(task)]
    models = list(dict.fromkeys(row.model for row in rows))
    known = list(dict.fromkeys(row.source for row in rows))

    def numbered(some: Iterable[Published]) -> str:
        return " ".join(sorted({f"[{known.index(row.source) + 1}]" for row in some}))

    table: list[list[Value]] = []
    for task, metric in dict.fromkeys((row.task, row.metric) for row in rows):
        same = {row.model: row for row in rows if (row.task, row.metric) == (task, metric)}
        ours = _mean([_official(record, task, metric) for record in records])
        if any(row.mean is not None for row in same.values()):
            means = [same[m].mean if m in same else None for m in models]
            table.append([task, metric, "mean", ours, *means, numbered(same.values())])
        for lang in dict.fromkeys(lang for row in same.values() for lang in row.langs):
            score = _mean([_metric(source, task, lang, metric) for source in sources])
            if score is not None:
                theirs = [same[m].langs.get(lang) if m in same else None for m in models]
                found = [row for row in same.values() if lang in row.langs]
                table.append([task, metric, lang, score, *theirs, numbered(found)])
    if not table:
        return None
    sources_of = "; ".join(f"[{n}] {source}" for n, source in enumerate(known, 1))
    about = "; ".join(f"{row.model}: {row.about}" for row in {r.model: r for r in rows}.values())
    return Sheet(
        name="published",
        title="Published scores",
        header=["task", "metric", "lang", "ours", *models, "source"],
        rows=table,
        note="Published by others, percent, zero-shot from English, trained and cut in other ways "
        f"than ours; in no mean here. Ours: only where all official languages are there. {about}. "
        f"Read in: {sources_of}.",
    )


def seen_sheet(sources: Sequence[Source]) -> Sheet:
    """Means over languages with and without those that training had seen."""
    rows: list[list[Value]] = []
    for task in task_order(sources):
        langs = dict.fromkeys(lang for s in sources for name, lang in s.cells if name == task)
        cells = [
            {
                "task": task,
                "lang": lang,
                "score": mean_score(sources, task, lang),
                "flags": [f for s in sources for f in s.cells.get((task, lang), NONE)["flags"]],
            }
            for lang in langs
        ]
        known = sources[0].results.record["tasks"]
        found = seen_means(cells, known).get(task)
        if found is None:
            continue
        row: list[Value] = [task, "yes" if found["declared"] else "not declared"]
        row += [found["mean"], len(found["langs"])]
        for name in WITHOUT:
            rest = found["without"].get(name, {"mean": None, "langs": []})
            row += [rest["mean"], len(rest["langs"]) if found["declared"] else None]
        rows.append(row)
    return Sheet(
        name="seen",
        title="What training had seen",
        header=["task", "declared", "all", "n", *COLUMNS],
        rows=rows,
        note="Means in percent, n: over how many languages. Zero-shot: without languages in which "
        "the task was trained. New languages: without those that any training data were in. "
        "Nothing seen: neither the task nor the language. What the base model had seen before is "
        "not in these records.",
    )


def cross_sheets(sources: Sequence[Source]) -> list[Sheet]:
    """Pairs of a context and a question in two languages, a table a task; none without pairs."""
    return [
        Sheet(
            name=f"cross-{task}",
            title=f"{task}: context and question in two languages",
            header=["context", *codes, "others"],
            rows=[
                [one, *(scores.get((one, two)) for two in codes), _others(scores, one, codes)]
                for one in codes
            ],
            note="Percent; languages of the context down, of the question across. Others: the mean "
            "of a row without its own language. No average of ours contains these pairs.",
        )
        for task, codes, scores in _crosses(sources)
    ]


def cross_maps(sources: Sequence[Source]) -> list[tuple[str, str]]:
    """(task, figure) of the same pairs."""
    figures = []
    for task, codes, scores in _crosses(sources):
        rows = [
            (
                one,
                [
                    Cell(value=scores.get((one, two)), hint=f"context {one}, question {two}")
                    for two in codes
                ],
            )
            for one in codes
        ]
        label = f"{task}: languages of the context down, of the question across"
        figures.append((task, heat_map(label, codes, [Group(name="context", rows=rows)])))
    return figures


Scores = dict[tuple[str, str], float | None]


def _crosses(sources: Sequence[Source]) -> list[tuple[str, list[str], Scores]]:
    """(task, languages, scores by context and question): the mean of the folders that have all."""
    found = []
    records = [source.results.record.get("cross", {}) for source in sources]
    for task in dict.fromkeys(task for record in records for task in record):
        tables = [
            {(pair["context"], pair["question"]): pair["score"] for pair in record.get(task, ())}
            for record in records
        ]
        pairs = dict.fromkeys(pair for table in tables for pair in table)
        codes = list(dict.fromkeys(code for pair in pairs for code in pair))
        codes.sort(key=lambda code: code != "en")
        scores = {pair: _mean([table.get(pair) for table in tables]) for pair in pairs}
        if any(score is not None for score in scores.values()):
            found.append((task, codes, scores))
    return found


def _others(scores: Scores, context: str, codes: Sequence[str]) -> float | None:
    there = [s for c in codes if c != context and (s := scores.get((context, c))) is not None]
    return sum(there) / len(there) if there else None


COLUMNS = ("zero-shot", "n zero-shot", "new languages", "n new", "nothing seen", "n nothing")
NONE: dict[str, Any] = {"flags": ()}


def _official(record: Any, task: str, metric: str) -> float | None:
    """Our official mean; nothing where it is over fewer languages or tasks than theirs."""
    value = record.get("all_task") if task == "all" else None
    if task != "all":
        value = record["tasks"].get(task, {}).get(f"avg_{metric}")
    return float(value) if isinstance(value, int | float) else None


def _metric(source: Source, task: str, lang: str, metric: str) -> float | None:
    cell = source.cells.get((task, lang))
    value = None if cell is None else cell["metrics"].get(metric)
    return float(value) if isinstance(value, int | float) else None


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if len(there) == len(values) and there else None

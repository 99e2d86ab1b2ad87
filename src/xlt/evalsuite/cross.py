"""Pairs of a context and a question in two languages (MLQA), beside the official cells.

They are cells of their own, kept and redone as others are; no average, gate or comparison sees
them. The answer is in the language of the context, and is scored as in that language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlt.core.errors import DataError, UsageError
from xlt.core.metrics.table import headline_mean
from xlt.core.tasks.languages import parse_langs
from xlt.data import FileSet
from xlt.evalsuite.compute.cells import CellStore, Identity
from xlt.evalsuite.compute.identity import identify
from xlt.evalsuite.plan.choose import Assignment
from xlt.evalsuite.plan.inputs import Inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.workers.job import Job

__all__ = ["Pair", "find_pairs", "pair_job", "pairs_record", "preview_pairs"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One file: contexts in a language, questions in another."""

    cell: Planned
    context: str
    question: str
    files: FileSet


def find_pairs(plan: Plan) -> list[Pair]:
    """The pairs of asked languages that the data root has.

    Raises:
        UsageError: no task that is asked has such pairs.
        DataError: there is no file of any pair.
    """
    assignments = {cell.task.name: cell.assignment for cell in plan.cells}
    able = {name: one for name, one in assignments.items() if plan.root.crosses(one.task)}
    if not able:
        raise UsageError(
            f"--cross: no pairs of languages in {' '.join(assignments)}",
            "add mlqa to --tasks, or leave out --cross",
        )
    languages = plan.root.languages
    asked = set(parse_langs(plan.asked, languages, languages))
    found = [
        _pair(plan, assignment, context, question, files)
        for assignment in able.values()
        for (context, question), files in plan.root.cross(assignment.task, plan.split).items()
        if {context, question} <= asked
    ]
    if not found:
        raise DataError(
            f"--cross: {plan.root.path} has no {plan.split} file with context and question in two "
            f"of the languages that are asked ({' '.join(able)})",
            "MLQA_V1.zip holds all pairs; `xlt data check` lists what is there",
        )
    return found


def pair_job(plan: Plan, pair: Pair) -> Job:
    """A pair as work."""
    return Job(
        cell=pair.cell,
        inputs=Inputs(files=pair.files),
        identity=_identity(plan, pair),
        context=pair.context,
    )


def pairs_record(
    plan: Plan, pairs: Sequence[Pair], done: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Task -> pairs, those of one language first, as results.json has them under `cross`.

    Args:
        plan: what is asked.
        pairs: of two languages.
        done: cell name -> stored cell, official cells and pairs.
    """
    found: dict[str, list[dict[str, Any]]] = {pair.cell.task.name: [] for pair in pairs}
    for cell in plan.cells:
        if cell.task.name in found and cell.name in done:
            found[cell.task.name].append(_entry(cell, cell.lang, cell.lang, done[cell.name]))
    for pair in pairs:
        if pair.cell.name in done:
            entry = _entry(pair.cell, pair.context, pair.question, done[pair.cell.name])
            found[pair.cell.task.name].append(entry)
    return found


def preview_pairs(plan: Plan, store: CellStore) -> dict[str, str]:
    """Name of a pair -> "kept", "new" or "redone: why"."""
    return {p.cell.name: store.state(_identity(plan, p)).text for p in find_pairs(plan)}


def _pair(plan: Plan, assignment: Assignment, context: str, question: str, files: FileSet) -> Pair:
    name = f"{context}.question-{question}"
    cell = Planned(assignment=assignment, lang=name, split=plan.split)
    return Pair(cell=cell, context=context, question=question, files=files)


def _identity(plan: Plan, pair: Pair) -> Identity:
    return identify(plan, pair.cell, Inputs(files=pair.files))


def _entry(cell: Planned, context: str, question: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    predictions = stored["predictions"]
    return {
        "context": context,
        "question": question,
        "n": stored["n"],
        "score": headline_mean(cell.task.metric, stored["metrics"]),
        "interval": stored["interval"],
        "metrics": stored["metrics"],
        "flags": stored["flags"],
        "key": stored["key"],
        "predictions": predictions["path"] if predictions else None,
        "predictions_sha256": predictions["sha256"] if predictions else None,
    }

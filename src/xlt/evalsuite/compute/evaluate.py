"""One cell from its files to its outcome, in one language or as a pair of two (MLQA)."""

from __future__ import annotations

from dataclasses import replace

from xlt.core.kinds.table import kind_of
from xlt.core.metrics.table import get_metric
from xlt.core.show import terminal as show
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.items import items_of
from xlt.evalsuite.compute.predict import majority_scores, predict_and_score
from xlt.evalsuite.compute.retrieval import match_and_score
from xlt.evalsuite.compute.rows import score_interval, score_rows
from xlt.evalsuite.compute.tokens import token_facts
from xlt.evalsuite.plan.inputs import Inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.plan.provenance import majority_label

__all__ = ["evaluate_cell", "evaluate_pair"]


def evaluate_cell(plan: Plan, cell: Planned, inputs: Inputs, engines: Engines) -> Outcome:
    """Read, predict and score one cell.

    Raises:
        DataError: the files are not what they say they are.
        ModelError: the model fails.
    """
    data = plan.root.read(cell.task, cell.lang, cell.split)
    outcome = _outcome(plan, cell, inputs, data, engines)
    tokens = token_facts(engines.encoder(cell.bundle), cell.bundle.task.kind, data)
    outcome = replace(outcome, tokens=tokens, notes=tuple(data.notes))
    if not any(name in outcome.metrics for name in get_metric(cell.task.metric).headline):
        return outcome
    rows = score_rows(cell.task, data, outcome.predictions)
    return replace(
        outcome,
        items=items_of(data, outcome.counts, rows),
        interval=score_interval(cell.task, cell.lang, rows),
    )


def evaluate_pair(
    plan: Plan, cell: Planned, inputs: Inputs, context: str, engines: Engines
) -> Outcome:
    """Read, predict and score a file whose contexts and questions are in two languages.

    Args:
        plan: what is asked.
        cell: named after both languages.
        inputs: the one file.
        context: the language of the contexts and answers.
        engines: gives the engine of the cell's bundle.

    Raises:
        DataError: the file is not what it says it is.
        ModelError: the model fails.
    """
    task, (path,) = cell.task, inputs.files.paths
    data = plan.root.read(task, context, cell.split, file=path)
    with show.progress(cell.name, len(data)) as tick:
        outcome = predict_and_score(task, data, engines.engine_for(cell), tick)
    if outcome.counts is None:
        return outcome
    rows = score_rows(task, data, outcome.predictions)
    return replace(outcome, interval=score_interval(task, context, rows))


def _outcome(plan: Plan, cell: Planned, inputs: Inputs, data: DataSet, engines: Engines) -> Outcome:
    if kind_of(cell.task).matching is None:
        return _answered(cell, data, engines)
    tuning = None if inputs.tuning is None else plan.root.read(cell.task, cell.lang, "dev")
    total = sum(_sentences(part) for part in (data, tuning))
    with show.progress(cell.name, total) as tick:
        vectors = engines.vectors(cell.bundle)
        both = plan.both_directions
        return match_and_score(cell.task, data, tuning, vectors, tick, both_directions=both)


def _answered(cell: Planned, data: DataSet, engines: Engines) -> Outcome:
    task, majority = cell.task, majority_label(cell.assignment)
    with show.progress(cell.name, len(data)) as tick:
        outcome = predict_and_score(task, data, engines.engine_for(cell), tick)
    if majority is None or not data.labelled:
        return outcome
    return replace(outcome, baseline=majority_scores(task, data, majority))


def _sentences(data: DataSet | None) -> int:
    if data is None or data.bitext is None:
        return 0
    return len(data.bitext.foreign) + len(data.bitext.english)

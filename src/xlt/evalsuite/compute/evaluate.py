"""One cell from its files to its outcome."""

from __future__ import annotations

from dataclasses import replace

from xlt.core.metrics.table import get_metric
from xlt.core.show import terminal as show
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.items import items_of
from xlt.evalsuite.compute.predict import majority_scores, predict_and_score
from xlt.evalsuite.compute.retrieval import mine_and_score, search_and_score
from xlt.evalsuite.plan.inputs import Inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.plan.provenance import majority_label

__all__ = ["evaluate_cell"]


def evaluate_cell(plan: Plan, cell: Planned, inputs: Inputs, engines: Engines) -> Outcome:
    """Read, predict and score one cell.

    Raises:
        DataError: the files are not what they say they are.
        ModelError: the model fails.
    """
    data = plan.root.read(cell.task, cell.lang, cell.split)
    for note in data.notes:
        show.note(f"{cell.name}: {note}")
    outcome = _outcome(plan, cell, inputs, data, engines)
    if not any(name in outcome.metrics for name in get_metric(cell.task.metric).headline):
        return outcome
    return replace(outcome, items=items_of(data, outcome.counts))


def _outcome(plan: Plan, cell: Planned, inputs: Inputs, data: DataSet, engines: Engines) -> Outcome:
    if cell.task.metric == "bucc":
        with_dev = inputs.tuning is not None
        tuning = plan.root.read(cell.task, cell.lang, "dev") if with_dev else None
        return _mined(cell, data, tuning, engines)
    if cell.task.kind == "embed":
        return _searched(plan, cell, data, engines)
    return _answered(cell, data, engines)


def _mined(cell: Planned, data: DataSet, tuning: DataSet | None, engines: Engines) -> Outcome:
    total = sum(_sentences(part) for part in (data, tuning))
    with show.progress(cell.name, total) as tick:
        return mine_and_score(data, tuning, engines.vectors(cell.bundle), tick)


def _searched(plan: Plan, cell: Planned, data: DataSet, engines: Engines) -> Outcome:
    with show.progress(cell.name, _sentences(data)) as tick:
        vectors = engines.vectors(cell.bundle)
        return search_and_score(data, vectors, tick, both_directions=plan.both_directions)


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

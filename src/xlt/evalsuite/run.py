"""Run a plan: every cell is kept, redone or new; one engine serves all cells of a bundle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from xlt.core.files import write_json
from xlt.core.show import terminal as show
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import CellStore, Identity, Outcome, State
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.failures import Failures
from xlt.evalsuite.compute.measured import Measured
from xlt.evalsuite.compute.predict import majority_scores, predict_and_score
from xlt.evalsuite.compute.retrieval import MARGIN, NEIGHBOURS, mine_and_score, search_and_score
from xlt.evalsuite.plan.inputs import Inputs, find_inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.plan.provenance import majority_label
from xlt.evalsuite.report.record import build_record
from xlt.evalsuite.report.results import Results, cell_score
from xlt.evalsuite.report.submission import check_target, write_submission

__all__ = ["check_before", "identify", "preview", "run_plan"]

# Raised by one when the code between files and predictions, or between predictions and scores,
# gives something else than before: finished cells are then redone.
ENCODER_VERSION = 1
SCORER_VERSION = 1


def check_before(plan: Plan) -> Results | None:
    """What must hold before any work is done; returns the results to compare with.

    Raises:
        UsageError: the submission folder holds something else.
        DataError: `against` holds no results.
    """
    if plan.submission is not None:
        check_target(plan.submission)
    return Results.open(plan.against) if plan.against is not None else None


def run_plan(plan: Plan) -> Results:
    """Evaluate all cells of a plan and write the results folder, and the submission if asked.

    A cell that fails is recorded and the rest goes on. After a kill at any moment, the same call
    ends with the same bytes as if nothing had happened.

    Raises:
        XltError: no cell could be evaluated; a bundle does not load; nothing can be written.
    """
    out = plan.out
    store, measured, engines = CellStore(out), Measured(out), Engines(plan)
    failures = Failures(out)
    done: dict[str, Mapping[str, Any]] = {}
    status: dict[str, str] = {}
    for number, cell in enumerate(_by_bundle(plan), 1):
        job = failures.attempt(cell, partial(_prepare, plan, cell, store))
        if job is None:
            continue
        stored = job.state.record
        if stored is None:
            (out / "results.json").unlink(missing_ok=True)
            engines.engine(cell.bundle)
            started = time.monotonic()
            stored = failures.attempt(cell, partial(_compute, plan, job, engines, store))
            if stored is None:
                continue
            seconds = time.monotonic() - started
            measured.add(cell, stored["n"], seconds, engines.setup)
            _tell(number, plan, job, stored, seconds)
        failures.forget(cell)
        done[cell.name], status[cell.name] = stored, job.state.text
    failures.raise_if_nothing_done(done)
    record = build_record(plan, done, failures.found)
    write_json(out / "results.json", record)
    _tell_kept(plan, status, len(store) - len(done))
    results = Results(path=out, record=record, failures=tuple(failures.found), status=status)
    show.note(f"results: {out / 'results.json'}")
    if plan.submission is not None:
        for task, lacking in write_submission(results, plan.submission).items():
            show.note(f"submission: {task} lacks {' '.join(lacking)}")
        show.note(f"submission: {plan.submission}")
    return results


def preview(plan: Plan) -> dict[str, str]:
    """Cell name -> "kept", "new" or "redone: why", without evaluating anything."""
    store = CellStore(plan.out)
    return {cell.name: _prepare(plan, cell, store).state.text for cell in plan.cells}


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A cell with its files, its key, and what is stored of it."""

    cell: Planned
    inputs: Inputs
    identity: Identity
    state: State


def _prepare(plan: Plan, cell: Planned, store: CellStore) -> _Job:
    inputs = find_inputs(plan.root, cell)
    identity = identify(plan, cell, inputs)
    state = store.state(identity, force=plan.force)
    return _Job(cell=cell, inputs=inputs, identity=identity, state=state)


def identify(plan: Plan, cell: Planned, inputs: Inputs) -> Identity:
    """The content key of a cell."""
    assignment = cell.assignment
    settings: dict[str, Any] = {"metric": assignment.task.metric}
    if assignment.task.metric == "bucc":
        settings |= {"margin": MARGIN, "neighbours": NEIGHBOURS}
    if assignment.task.metric == "tatoeba" and plan.both_directions:
        settings["both_directions"] = True
    majority = majority_label(assignment)
    if majority is not None:
        settings["majority"] = majority
    return Identity(
        bundle=assignment.bundle.key,
        data=inputs.sha256,
        task=assignment.task.name,
        lang=cell.lang,
        split=cell.split,
        scorer=SCORER_VERSION,
        encoder=ENCODER_VERSION,
        precision=assignment.bundle.precision,
        settings=settings,
    )


def _compute(plan: Plan, job: _Job, engines: Engines, store: CellStore) -> Mapping[str, Any]:
    """Read, predict, score and save one cell."""
    cell = job.cell
    data = plan.root.read(cell.task, cell.lang, cell.split)
    for note in data.notes:
        show.note(f"{cell.name}: {note}")
    if cell.task.metric == "bucc":
        with_dev = job.inputs.tuning is not None
        tuning = plan.root.read(cell.task, cell.lang, "dev") if with_dev else None
        outcome = _mined(cell, data, tuning, engines)
    elif cell.task.kind == "embed":
        outcome = _searched(plan, cell, data, engines)
    else:
        outcome = _answered(cell, data, engines)
    return store.save(job.identity, outcome, cell.task, cell.predictions)


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
        outcome = predict_and_score(task, data, engines.engine(cell.bundle), tick)
    if majority is None or not data.labelled:
        return outcome
    return replace(outcome, baseline=majority_scores(task, data, majority))


def _by_bundle(plan: Plan) -> list[Planned]:
    """The cells with those of one bundle together, so that one engine is open at a time."""
    order = list(dict.fromkeys(cell.bundle.path for cell in plan.cells))
    return sorted(plan.cells, key=lambda cell: order.index(cell.bundle.path))


def _sentences(data: DataSet | None) -> int:
    if data is None or data.bitext is None:
        return 0
    return len(data.bitext.foreign) + len(data.bitext.english)


def _tell(number: int, plan: Plan, job: _Job, stored: Mapping[str, Any], seconds: float) -> None:
    """One line about a finished cell."""
    cell, n = job.cell, stored["n"]
    why = f" ({job.state.text})" if job.state.text != "new" else ""
    score = cell_score(cell.task.metric, stored["metrics"])
    show.note(
        f"[{number}/{len(plan.cells)}] {cell.name}{why}: "
        f"{'no score' if score is None else f'{score:.1f}'}, {n} items, {seconds:.1f} s"
    )


def _tell_kept(plan: Plan, status: Mapping[str, str], others: int) -> None:
    for task, langs in plan.langs.items():
        kept = [lang for lang in langs if status.get(f"{task}/{lang}") == "kept"]
        if kept:
            show.note(f"{task}: kept {len(kept)} of {len(langs)}: {' '.join(kept)}")
    if others > 0:
        show.note(f"{others} finished cells of other calls stay in cells/ for later reuse")

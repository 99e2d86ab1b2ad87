"""Run a plan: every cell is kept, redone or new; one engine serves all cells of a bundle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from xlt.core.artifacts.lock import locked
from xlt.core.files import write_json
from xlt.core.metrics.table import headline_mean
from xlt.core.show import terminal as show
from xlt.evalsuite.compute.cells import CellStore, Identity, State
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.compute.evaluate import evaluate_cell
from xlt.evalsuite.compute.failures import Failures
from xlt.evalsuite.compute.identity import identify
from xlt.evalsuite.compute.measured import Measured
from xlt.evalsuite.cross import find_pairs, n_computed, preview_pairs, run_pairs
from xlt.evalsuite.plan.inputs import Inputs, find_inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.report.record import build_record
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.submission import check_target, write_submission

__all__ = ["check_before", "preview", "run_plan"]

LOCK = "results.lock"


def check_before(plan: Plan) -> tuple[Plan, Results | None]:
    """Check the submission folder and read the baseline, before any work is done.

    Returns:
        The plan, whose missing languages are now those that the baseline has, too; and the
        baseline: the results to compare with.

    Raises:
        UsageError: the submission folder holds something else; no task for `--cross`.
        DataError: no files for `--cross`, or `against` holds no results.
    """
    if plan.submission is not None:
        check_target(plan.submission)
    if plan.cross:
        find_pairs(plan)
    if plan.against is None:
        return plan, None
    against = Results.open(plan.against, comparable=True)
    return plan.with_baseline(
        [(t, lang) for t in against.tasks for lang in against.scores(t)]
    ), against


def run_plan(plan: Plan) -> Results:
    """Evaluate all cells of a plan and write the results folder, and the submission if asked.

    The folder is locked while this works. A cell that fails is recorded and the rest goes on.
    After a kill at any moment, the same call ends with the same bytes as if nothing had happened.

    Raises:
        UsageError: another evaluation works in the folder; nothing can be written.
        XltError: no cell could be evaluated; a bundle does not load.
        CheckFailed: a predictions file has changed since it was scored (submission).
    """
    with locked(plan.out / LOCK):
        results = _run_cells(plan)
        show.note(f"results: {plan.out / 'results.json'}")
        if plan.submission is not None:
            for task, lacking in write_submission(results, plan.submission).items():
                show.note(f"submission: {task} lacks {' '.join(lacking)}")
            show.note(f"submission: {plan.submission}")
    return results


def _run_cells(plan: Plan) -> Results:
    """Keep or evaluate every cell, then write results.json."""
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
            finished = failures.attempt(cell, partial(_evaluate, plan, job, engines, store))
            if finished is None:
                continue
            stored, tokens = finished
            seconds = time.monotonic() - started - tokens["seconds"]
            measured.add(cell, stored["n"], seconds, engines.setup, tokens)
            _report(number, plan, job, stored, seconds)
        failures.forget(cell)
        done[cell.name], status[cell.name] = stored, job.state.text
    failures.raise_if_nothing_done(done)
    pairs = run_pairs(plan, store, engines, failures, done) if plan.cross else None
    record = build_record(plan, done, failures.found)
    if pairs is not None:
        record["cross"] = pairs
    write_json(out / "results.json", record)
    _report_kept(plan, status, len(store) - len(done) - n_computed(pairs))
    return Results(path=out, record=record, failures=tuple(failures.found), status=status)


def preview(plan: Plan) -> dict[str, str]:
    """Cell name -> "kept", "new" or "redone: why", without evaluating anything."""
    store = CellStore(plan.out)
    states = {cell.name: _prepare(plan, cell, store).state.text for cell in plan.cells}
    return states | (preview_pairs(plan, store) if plan.cross else {})


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


def _evaluate(
    plan: Plan, job: _Job, engines: Engines, store: CellStore
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Read, predict, score and save one cell: what is stored, and facts about its tokens."""
    outcome = evaluate_cell(plan, job.cell, job.inputs, engines)
    stored = store.save(job.identity, outcome, job.cell.task, job.cell.predictions)
    return stored, outcome.tokens


def _by_bundle(plan: Plan) -> list[Planned]:
    """The cells grouped by bundle, so that one engine is loaded at a time."""
    order = list(dict.fromkeys(cell.bundle.path for cell in plan.cells))
    return sorted(plan.cells, key=lambda cell: order.index(cell.bundle.path))


def _report(number: int, plan: Plan, job: _Job, stored: Mapping[str, Any], seconds: float) -> None:
    """One line about a finished cell."""
    cell, n = job.cell, stored["n"]
    why = f" ({job.state.text})" if job.state.text != "new" else ""
    score = headline_mean(cell.task.metric, stored["metrics"])
    show.note(
        f"[{number}/{len(plan.cells)}] {cell.name}{why}: "
        f"{'no score' if score is None else f'{score:.1f}'}, {n} items, {seconds:.1f} s"
    )


def _report_kept(plan: Plan, status: Mapping[str, str], others: int) -> None:
    for task, langs in plan.langs.items():
        kept = [lang for lang in langs if status.get(f"{task}/{lang}") == "kept"]
        if kept:
            show.note(f"{task}: kept {len(kept)} of {len(langs)}: {' '.join(kept)}")
    if others > 0:
        show.note(f"{others} finished cells of other calls stay in cells/ for later reuse")

"""Run a plan: every cell is kept, redone or new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from xlt.core.artifacts.lock import locked
from xlt.core.errors import DataError
from xlt.core.files import write_atomic, write_json
from xlt.core.show import terminal as show
from xlt.core.show.overall import Part, overall
from xlt.evalsuite.compute.cells import CellStore, State
from xlt.evalsuite.compute.failures import Failures
from xlt.evalsuite.compute.identity import identify
from xlt.evalsuite.compute.measured import Measured
from xlt.evalsuite.cross import find_pairs, pair_job, pairs_record, preview_pairs
from xlt.evalsuite.plan.inputs import find_inputs
from xlt.evalsuite.plan.plan import Plan, Planned
from xlt.evalsuite.report.record import build_record
from xlt.evalsuite.report.results import Results, find_results
from xlt.evalsuite.report.screen import COMPARISON, TABLES
from xlt.evalsuite.report.submission import check_target, write_submission
from xlt.evalsuite.report.tables import whole_text
from xlt.evalsuite.workers.here import Here
from xlt.evalsuite.workers.job import Done, Job, Workers

__all__ = ["check_before", "preview", "run_plan"]

LOCK = "results.lock"


def check_before(plan: Plan) -> tuple[Plan, list[Results]]:
    """Check the submission folder and read the baseline, before any work is done.

    Returns:
        The plan, whose missing languages are now those that the baseline has, too; and the
        baseline: the results to compare with, if any.

    Raises:
        UsageError: the submission folder holds something else; no task for `--cross`.
        DataError: no files for `--cross`, or `against` holds no results.
        MissingExtra: Ray is asked for and not installed.
    """
    if plan.submission is not None:
        check_target(plan.submission)
    if plan.cross:
        find_pairs(plan)
    _workers(plan)
    paths = [
        path
        for path in find_results(plan.against)
        if path in plan.against or path.resolve() != plan.out.resolve()
    ]
    against = [Results.open(path, comparable=True) for path in paths]
    scored = [(task, lang) for one in against for task in one.tasks for lang in one.scores(task)]
    return (plan.with_baseline(list(dict.fromkeys(scored))) if against else plan), against


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
        for left in plan.out.rglob(".*.part"):  # of a write that a kill stopped
            left.unlink(missing_ok=True)
        results = _run_cells(plan)
        show.note(f"results: {plan.out / 'results.json'}")
        if plan.submission is not None:
            for task, lacking in write_submission(results, plan.submission).items():
                show.note(f"submission: {task} lacks {' '.join(lacking)}")
            show.note(f"submission: {plan.submission}")
    return results


def _run_cells(plan: Plan) -> Results:
    """Keep or compute every cell and pair, then write results.json."""
    out = plan.out
    store, measured, failures = CellStore(out), Measured(out), Failures(out)
    pairs = find_pairs(plan) if plan.cross else []
    calls = [(cell, partial(_job, plan, cell)) for cell in _by_bundle(plan)]
    calls += [(pair.cell, partial(pair_job, plan, pair)) for pair in pairs]
    done: dict[str, Mapping[str, Any]] = {}
    states: dict[str, State] = {}
    jobs: list[Job] = []
    for cell, call in calls:
        job = failures.attempt(cell, call)
        if job is None:
            continue
        state = states[cell.name] = store.state(job.identity, force=plan.force)
        if state.record is None:
            jobs.append(job)
        else:
            failures.forget(cell)
            done[cell.name] = state.record
    if jobs:
        _tell_redone(jobs, states)
        (out / "results.json").unlink(missing_ok=True)
        parts = [_part(job) for job in jobs]
        with overall("eval", parts, measured.costs(), "cells") as line:
            for job, work in _workers(plan).run(jobs):
                found = failures.attempt(job.cell, partial(_save, store, job, work))
                line.finish(job.cell.name, found and found[1].seconds)
                if found is None:
                    continue
                stored, computed = found
                failures.forget(job.cell)
                done[job.cell.name] = stored
                tokens, size = computed.outcome.tokens, job.inputs.size
                measured.add(job.cell, stored["n"], computed.seconds, computed.setup, tokens, size)
    failures.put_in_order([cell for cell, _ in calls])
    failures.raise_if_nothing_done(done)
    record = build_record(plan, done, failures.found)
    if plan.cross:
        record["cross"] = pairs_record(plan, pairs, done)
    status = {cell.name: states[cell.name].text for cell in plan.cells if cell.name in done}
    results = Results(path=out, record=record, failures=tuple(failures.found), status=status)
    (out / COMPARISON).unlink(missing_ok=True)
    write_atomic(out / TABLES, whole_text(results) + "\n")
    write_json(out / "results.json", record)
    _report_kept(plan, status, len(store) - len(done))
    return results


def preview(plan: Plan) -> dict[str, str]:
    """Cell name -> "kept", "new" or "redone: why", without evaluating anything."""
    store = CellStore(plan.out)
    states = {cell.name: store.state(_job(plan, cell).identity).text for cell in plan.cells}
    return states | (preview_pairs(plan, store) if plan.cross else {})


def _job(plan: Plan, cell: Planned) -> Job:
    inputs = find_inputs(plan.root, cell)
    return Job(cell=cell, inputs=inputs, identity=identify(plan, cell, inputs))


def _workers(plan: Plan) -> Workers:
    """Who computes the cells.

    Raises:
        MissingExtra: Ray is not installed.
    """
    if plan.engine == "local":
        return Here(plan)
    from xlt.evalsuite.workers.ray_engine import OverRay

    return OverRay(plan)


def _save(store: CellStore, job: Job, work: Callable[[], Done]) -> tuple[Mapping[str, Any], Done]:
    """Compute and store one cell.

    Raises:
        DataError: its files changed since its key was taken, so it has no key that is true.
    """
    done = work()
    if job.inputs.sha256 != job.identity.data:
        raise DataError(
            f"{job.cell.name}: its data changed while it was evaluated",
            "run the same command again; the other cells are kept",
        )
    for note in done.outcome.notes:
        show.note(f"{job.cell.name}: {note}")
    stored = store.save(job.identity, done.outcome, job.cell.task, job.cell.predictions)
    return stored, done


def _by_bundle(plan: Plan) -> list[Planned]:
    """The cells grouped by bundle, so that one engine is loaded at a time."""
    order = list(dict.fromkeys(cell.bundle.path for cell in plan.cells))
    return sorted(plan.cells, key=lambda cell: order.index(cell.bundle.path))


def _part(job: Job) -> Part:
    """A cell for the line of the run: tasks cost alike for the bytes of their files."""
    return Part(name=job.cell.name, group=job.cell.task.name, size=job.inputs.size)


def _tell_redone(jobs: Sequence[Job], states: Mapping[str, State]) -> None:
    """One line a task and reason, of cells that are there and computed again."""
    again: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        text = states[job.cell.name].text
        if text != "new":
            again.setdefault((job.cell.task.name, text), []).append(job.cell.lang)
    for (task, text), langs in again.items():
        show.note(f"{task}: {text}: {' '.join(langs)}")


def _report_kept(plan: Plan, status: Mapping[str, str], others: int) -> None:
    for task, langs in plan.langs.items():
        kept = [lang for lang in langs if status.get(f"{task}/{lang}") == "kept"]
        if kept:
            show.note(f"{task}: kept {len(kept)} of {len(langs)}: {' '.join(kept)}")
    if others > 0:
        show.note(f"{others} finished cells of other calls stay in cells/ for later reuse")

"""Runs a study: its plan into a folder, its stages through an engine, its cells out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlt.core.artifacts.lock import locked
from xlt.core.errors import PartlyDone, UsageError
from xlt.core.files import read_json
from xlt.core.show import terminal
from xlt.study.engine.progress import CELLS, Progress
from xlt.study.engine.store import Store, size_words
from xlt.study.engine.weights import finished
from xlt.study.plan.estimate import Known, estimate
from xlt.study.plan.records import PLAN, Plan

__all__ = ["Engine", "check_folder", "cost_of", "differences", "register", "run_study"]

LOCK = "study.lock"
MOST_LISTED = 12
Engine = Callable[[Progress], None]


def run_study(
    plan: Plan, out: Path, store: Store, engine: Engine, *, drop_weights: bool = False
) -> Progress:
    """Run what is missing; what is finished, here or by another study in the store, is kept.

    Args:
        plan: of the study.
        out: the study's folder.
        store: where stages are kept.
        engine: runs the stages that are not done.
        drop_weights: remove weights as soon as no study of the store needs them.

    Returns:
        The state after the last stage.

    Raises:
        UsageError: `out` holds another study, or is in use.
        PartlyDone: some cells failed; all others are finished.
        Interrupted: Ctrl-C.
    """
    cost = register(plan, out, store)
    with locked(out / LOCK):
        progress = Progress(
            plan=plan,
            store=store,
            out=out,
            expected=cost["stages"],
            drop_weights=drop_weights,
        )
        progress.look()
        if again := progress.again():
            terminal.note(f"{again} stages are done again: their weights were removed")
        progress.drop_stale()
        try:
            engine(progress)
        finally:
            if progress.freed:
                freed = size_words(progress.freed)
                terminal.note(f"{freed} of weights removed that nothing needs any more")
    if progress.missing() or progress.failures:
        raise _partly_done(progress)
    return progress


def cost_of(plan: Plan, store: Store) -> dict[str, Any]:
    """What is left to do, in seconds and bytes."""
    done = frozenset(finished(plan, store))
    return estimate(plan, Known.of(store.path, done))


def register(plan: Plan, out: Path, store: Store) -> dict[str, Any]:
    """Write plan.json, with the estimand and what was finished when it was first written.

    Returns:
        The estimated cost of what is left.

    Raises:
        UsageError: as `check_folder`.
    """
    check_folder(plan, out)
    seen: Any = read_json(out / PLAN).get("registered") if (out / PLAN).is_file() else None
    if not isinstance(seen, dict) or seen.get("estimand_hash") != plan.estimand_hash:
        scored = [stage for stage in plan.stages.values() if stage.verb == "eval"]
        done = sum(store.done(stage) is not None for stage in scored)
        seen = {"estimand_hash": plan.estimand_hash, "evaluations": len(scored), "done": done}
    cost = cost_of(plan, store)
    plan.write(out, registered=seen, estimates=cost, store=str(store.path))
    store.remember(out, plan)
    return cost


def check_folder(plan: Plan, out: Path) -> None:
    """Whether a folder is free for a study, holds this one, or one of which nothing is finished.

    Raises:
        UsageError: it holds another one (the difference is named), or something else.
    """
    if (out / PLAN).is_file():
        old = Plan.open(out)
        other = differences(old, plan)
        if not other or not _finished_differ(old, plan, out):
            return
        if old.estimand_hash != plan.estimand_hash:
            raise UsageError(
                f"{out}: the question cannot change once cells are finished: {'; '.join(other)}",
                "put the estimand back; as a new study (another --out, the same --store) its "
                "plan.json tells how many results were there before it was asked",
            )
        raise UsageError(
            f"{out} holds another study: {'; '.join(other)}",
            "choose another --out (with the same --store, what is done there is reused)",
        )
    entries = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if entries - {LOCK, "store"}:
        raise UsageError(f"--out {out} is not empty and holds no study", "choose another --out")


def _finished_differ(old: Plan, new: Plan, out: Path) -> bool:
    """Whether a finished cell would be another one: files that came later change only the rest."""
    names = {path.stem for path in (out / CELLS).glob("*.json")}
    if not names or _changed("", old.study, new.study):
        return bool(names)
    cells = {cell.id: list(cell.all_stages) for cell in new.cells}
    return any(cells.get(c.id) != list(c.all_stages) for c in old.cells if c.id in names)


def differences(old: Plan, new: Plan) -> list[str]:
    """`field: old -> new` for what two plans do not share; empty when they are the same."""
    if old.hash == new.hash:
        return []
    found = _changed("", old.study, new.study)
    if not found:
        changed = sum(key not in {s.key for s in old.stages.values()} for key in
                      (s.key for s in new.stages.values()))  # fmt: skip
        found = [f"{changed} stages have other inputs (data files, base model or version of xlt)"]
    return found[:MOST_LISTED]


def _changed(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            text
            for key in dict.fromkeys((*old, *new))
            for text in _changed(f"{name}.{key}" if name else key, old.get(key), new.get(key))
        ]
    plain_old, plain_new = _plain(old), _plain(new)
    return [] if plain_old == plain_new else [f"{name}: {plain_old!r} -> {plain_new!r}"]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _partly_done(progress: Progress) -> PartlyDone:
    missing = progress.missing()
    listed = "; ".join(
        f"{name}: {failure['message']}" for name, failure in progress.failures.items()
    )
    cells = ", ".join(cell.id for cell in missing[:MOST_LISTED])
    more = f" and {len(missing) - MOST_LISTED} more" if len(missing) > MOST_LISTED else ""
    total = len(progress.plan.cells)
    told = f"{len(missing)} of {total} cells are missing: {cells}{more}"
    if not missing:
        told = f"{total} of {total} cells are done, but not all that stands beside them"
    return PartlyDone(
        f"{told} ({listed})",
        "run the same command again to continue; logs: STORE/<stage>/log.txt",
    )

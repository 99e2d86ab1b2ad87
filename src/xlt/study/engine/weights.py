"""Weights of finished stages that no study needs any more: removed, they are most of a store.

A stage keeps its record, its scores and its logs, so that it stays done. Where something new comes
to need its weights, it is done again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.study.engine.store import Store
from xlt.study.plan.records import PLAN, Plan

__all__ = ["finished", "plans_of", "remove_weights", "spare", "weights_of"]

VERBS = ("train", "average", "export")
PATTERNS = ("*.safetensors", "*.onnx", "*.onnx_data", "*.onnx.data", "*.bin", "*.pt")


def finished(plan: Plan, store: Store) -> dict[str, dict[str, Any]]:
    """Id -> record of the stages of a plan that are done.

    One whose weights were removed counts while all that reads them is done as well.
    """
    found = {s.id: record for s in plan.stages.values() if (record := store.done(s))}
    for stage in reversed(list(plan.stages.values())):  # what it reads stands before it
        if stage.id not in found:
            for name in plan.reads(stage):
                if name in found and store.is_dropped(name):
                    del found[name]
    return found


def plans_of(store: Store) -> list[Plan]:
    """The plans of the studies that were planned or run in a store."""
    return [Plan.open(out) for out in store.studies() if (out / PLAN).is_file()]


def spare(store: Store, plans: Iterable[Plan], among: Iterable[str] | None = None) -> list[str]:
    """Ids of finished stages with weights that nothing in some plans needs any more, in order.

    Args:
        store: where they lie.
        plans: of all studies that count.
        among: ids to choose from; None: all that the plans name.
    """
    named: dict[str, bool] = {}  # whether all that reads it is done
    for plan in plans:
        done = finished(plan, store)
        read: dict[str, list[str]] = {name: [] for name in plan.stages}
        for stage in plan.stages.values():
            for name in plan.reads(stage):
                read[name].append(stage.id)
        for name, stage in plan.stages.items():
            if stage.verb in VERBS:
                over = name in done and bool(read[name]) and all(n in done for n in read[name])
                named[name] = named.get(name, True) and over
    chosen = set(named) if among is None else set(among)
    return [name for name, over in named.items() if over and name in chosen
            and weights_of(store, name)]  # fmt: skip


def weights_of(store: Store, name: str) -> list[Path]:
    """The files with weights of a stage, by id."""
    folder = store.path / name
    return sorted({p for pattern in PATTERNS for p in folder.rglob(pattern) if p.is_file()})


def remove_weights(store: Store, names: Iterable[str], more: Iterable[Plan] = ()) -> dict[str, int]:
    """Remove the weights of stages that `spare` has found; one that is in use keeps them.

    A stage is marked before it is looked at again: a study that is planned in between is seen here,
    or sees the mark.

    Args:
        store: where they lie.
        names: ids.
        more: plans that count beside those that the store remembers.

    Returns:
        Id -> bytes, of those whose weights are gone.

    Raises:
        DataError: a file cannot be removed.
    """
    gone: dict[str, int] = {}
    for name in names:
        handle = store.hold(name)
        if handle is None:
            continue
        try:
            store.mark_dropped(name)
            if name not in spare(store, [*plans_of(store), *more], [name]):
                store.unmark_dropped(name)
                continue
            files = weights_of(store, name)
            gone[name] = sum(path.stat().st_size for path in files)
            for path in files:
                path.unlink()
        except OSError as error:
            raise DataError(
                f"{store.path / name}: {error.strerror}", "look at its permissions"
            ) from error
        finally:
            store.let_go(name, handle)
    return gone

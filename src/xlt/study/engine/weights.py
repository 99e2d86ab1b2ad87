"""Weights of finished stages that no study needs any more: removed, they are most of a store.

Scores, records and logs stay, and the stage counts as done. Where something new comes to need its
weights it is done again; until then other studies still have what they had of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, XltError
from xlt.study.engine.store import RECORD, Store
from xlt.study.plan.records import Plan, Stage

__all__ = ["Done", "finished", "record_of", "removable", "remove_weights", "weights_of"]

VERBS = ("train", "average", "export")
PATTERNS = (
    "*.safetensors", "*.onnx", "*.onnx_data", "*.onnx.data", "*.bin", "*.pt",
    "tokenizer.json", "*.model", "vocab.txt",
)  # fmt: skip
AT_ONCE = 32
Done = Callable[[str], bool]


def finished(plan: Plan, store: Store) -> dict[str, dict[str, Any]]:
    """Id -> record of the stages of a plan that are done.

    One without weights counts while all that reads them is done as well.
    """
    found: dict[str, dict[str, Any]] = {}
    readers = plan.readers()
    for stage in reversed(list(plan.stages.values())):  # what reads it stands behind it
        record = store.done(stage)
        if record is None and all(name in found for name in readers[stage.id]):
            record = store.dropped(stage)
        if record is not None:
            found[stage.id] = record
    return {name: found[name] for name in plan.stages if name in found}


def removable(store: Store, plan: Plan, done: Done, among: Collection[str]) -> list[str]:
    """Ids of the stages of a plan that have weights which nothing in it needs any more.

    Args:
        store: where they lie.
        plan: of a study.
        done: whether a stage of it is, by id.
        among: ids to choose from.
    """
    readers = plan.readers()
    return [
        stage.id
        for stage in plan.stages.values()
        if stage.id in among and stage.verb in VERBS
        and _is_over(stage.id, readers, done) and weights_of(store, stage.id)
    ]  # fmt: skip


def remove_weights(
    store: Store, names: Iterable[str], plans: Iterable[Plan] = ()
) -> dict[str, int]:
    """Remove the weights of stages that no study of the store needs; what is in use keeps them.

    A stage is marked before the studies are looked at: one that is planned in between is seen here,
    or sees the mark. It loses its record before its first file, so that it is never believed whole.

    Args:
        store: where they lie.
        names: ids.
        plans: that count beside those that the store has noted.

    Returns:
        Id -> bytes, of those whose weights are gone.

    Raises:
        DataError: a file cannot be removed, or what a study needs cannot be read.
    """
    wanted, more, gone = list(names), list(plans), dict[str, int]()
    for start in range(0, len(wanted), AT_ONCE):
        held = {name: store.hold(name) for name in wanted[start : start + AT_ONCE]}
        try:
            gone |= _remove(store, [n for n, handle in held.items() if handle is not None], more)
        except OSError as error:
            raise DataError(
                f"{error.filename}: {error.strerror}", "look at its permissions"
            ) from error
        finally:
            for name, handle in held.items():
                if handle is not None:
                    store.let_go(name, handle)
    return gone


def weights_of(store: Store, name: str) -> list[Path]:
    """The files with weights of a stage, by id, and what is as large: tokenizers."""
    folder = store.path / name
    return sorted({p for pattern in PATTERNS for p in folder.rglob(pattern) if p.is_file()})


def _remove(store: Store, names: Iterable[str], more: Iterable[Plan]) -> dict[str, int]:
    """As `remove_weights`; the locks are held."""
    fresh = [name for name in names if (store.path / name / RECORD).is_file()]
    for name in fresh:
        store.mark_dropped(name)
    try:
        plans = [*store.plans(), *more]
    except XltError:
        for name in fresh:
            store.unmark_dropped(name)
        raise
    states = [(plan.readers(), _Lazy(plan, store)) for plan in plans]
    gone = {}
    for name in names:
        marked = name in fresh or store.is_dropped(name)
        over = all(_is_over(name, readers, done) for readers, done in states if name in readers)
        if not marked or not over:
            if name in fresh:
                store.unmark_dropped(name)
            continue
        files = weights_of(store, name)
        gone[name] = sum(path.stat().st_size for path in files)
        store.disbelieve(name)
        for path in files:
            path.unlink()
    return gone


def _is_over(name: str, readers: Mapping[str, tuple[str, ...]], done: Done) -> bool:
    """Whether something reads a stage, and all of that is done."""
    return bool(readers[name]) and all(done(reader) for reader in readers[name])


def record_of(plan: Plan, store: Store, stage: Stage) -> dict[str, Any] | None:
    """The record of a stage if it counts as done: as `finished` has it, of one alone."""
    if _Lazy(plan, store)(stage.id):
        return store.done(stage) or store.dropped(stage)
    return None


class _Lazy:
    """Whether a stage of a plan is done, looked up when it is asked for."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store, self._readers = plan, store, plan.readers()
        self._known: dict[str, bool] = {}

    def __call__(self, name: str) -> bool:
        if name not in self._known:
            stage = self._plan.stages[name]
            found = self._store.done(stage) is not None or (
                self._store.dropped(stage) is not None and all(map(self, self._readers[name]))
            )
            self._known[name] = found
        return self._known[name]

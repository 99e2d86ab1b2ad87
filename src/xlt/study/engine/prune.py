"""Stages of a store that no study refers to any more, found and removed; weights that none needs.

A store remembers the folders of the studies that were planned or run in it. What a plan in one of
them names stays; a study whose folder is gone counts no more, and is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError
from xlt.core.show.terminal import table
from xlt.study.engine.store import RECORD, START, Store, size_of, size_words
from xlt.study.engine.weights import finished, removable, remove_weights, weights_of
from xlt.study.plan.records import OUTPUT, PLAN, Plan

__all__ = ["Leftover", "Pruning", "describe_pruning", "find_leftovers", "prune"]

STAYS = ("in use", "needed or in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A stage's folder that no plan names, or the weights of one that nothing needs any more.

    Attributes:
        id: its name in the store.
        bytes: on disk; of the weights alone, where only they may go.
        state: `done`, `unfinished`, `in use` (somebody works on it: it stays), `removed`, `weights`
            (a plan names it, its weights may go), `weights removed`, or `needed or in use` (they
            stay, after all).
    """

    id: str
    bytes: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What was found in a store.

    Attributes:
        store: its path.
        studies: folders whose plans count.
        gone: folders that the store remembers and that hold no plan any more.
        leftovers: what may go, the largest first.
        kept: number of stages in the store that a plan names.
    """

    store: Path
    studies: tuple[Path, ...]
    gone: tuple[Path, ...]
    leftovers: tuple[Leftover, ...]
    kept: int

    @property
    def bytes(self) -> int:
        """Of everything that is, or could be, removed."""
        return sum(one.bytes for one in self.leftovers if one.state not in STAYS)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "schema": 1,
            "store": str(self.store),
            "studies": [str(path) for path in self.studies],
            "gone": [str(path) for path in self.gone],
            "kept": self.kept,
            "bytes": self.bytes,
            "stages": [asdict(one) for one in self.leftovers],
        }


def find_leftovers(store: Store, studies: Iterable[Path] = (), *, weights: bool = False) -> Pruning:
    """Look for stages that no plan names; nothing is changed.

    Args:
        store: to look through.
        studies: folders of further studies, beside those that the store remembers.
        weights: look for weights as well that nothing in the plans needs any more.

    Raises:
        UsageError: it is no store, or no study is known that could name a stage.
        DataError: a given folder has no plan, or a plan is damaged.
    """
    named = [path.resolve() for path in studies]
    remembered = store.studies()
    for path in named:
        Plan.open(path)
    there = list(dict.fromkeys([*named, *(p for p in remembered if (p / PLAN).is_file())]))
    gone = [path for path in remembered if path not in there]
    found = sorted(path for path in store.path.glob("*-*") if _is_stage(store, path))
    if not there:
        raise UsageError(
            f"{store.path}: no study is known that uses it, so every stage would go",
            "name the folders of the studies that do: --study OUT; "
            "to throw away all of it, remove the folder",
        )
    plans = [Plan.open(path) for path in there]
    wanted = {stage for plan in plans for stage in plan.stages}
    left = [_leftover(store, path) for path in found if path.name not in wanted]
    if weights:
        left += [_weights(store, name) for name in _spare(store, plans)]
    return Pruning(
        store=store.path,
        studies=tuple(there),
        gone=tuple(gone),
        leftovers=tuple(sorted(left, key=lambda one: (-one.bytes, one.id))),
        kept=sum(path.name in wanted for path in found),
    )


def prune(store: Store, studies: Sequence[Path] = (), *, weights: bool = False) -> Pruning:
    """Remove what `find_leftovers` finds, apart from what somebody works on.

    A stage loses its record first, so that one whose removal was interrupted is not believed.

    Raises:
        UsageError, DataError: as `find_leftovers`.
    """
    found = find_leftovers(store, studies, weights=weights)
    for path in found.gone:
        store.forget(path)
    after = []
    for one in found.leftovers:
        if one.state == "weights":
            gone = remove_weights(store, [one.id], map(Plan.open, found.studies))
            state = "weights removed" if one.id in gone else "needed or in use"
            after.append(replace(one, state=state))
            continue
        handle = store.hold(one.id)
        if handle is None:
            after.append(Leftover(id=one.id, bytes=one.bytes, state="in use"))
            continue
        try:
            folder = store.path / one.id
            (folder / RECORD).unlink(missing_ok=True)
            store.unmark_dropped(one.id)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            store.let_go(one.id, handle)
        if folder.exists():
            raise DataError(f"{folder} cannot be removed", "look at its permissions")
        after.append(Leftover(id=one.id, bytes=one.bytes, state="removed"))
    return Pruning(
        store=found.store, studies=found.studies, gone=found.gone, leftovers=tuple(after),
        kept=found.kept,
    )  # fmt: skip


def describe_pruning(found: Pruning, *, removed: bool) -> str:
    """What was found, or removed, for people."""
    lines = [f"{found.store}: {found.kept} stages are named by the plans of these studies:"]
    lines += [f"  {path}" for path in found.studies]
    lines += [f"  {path}: no plan there any more, it does not count" for path in found.gone]
    if not found.leftovers:
        return "\n".join([*lines, "there are no others"])
    rows = [[one.id, one.state, size_words(one.bytes)] for one in found.leftovers]
    some = any(one.state.startswith("weights") for one in found.leftovers)
    head = "stage that no plan names" + (", or weights that nothing needs" if some else "")
    lines += ["", table([head, "state", "size"], rows), ""]
    going = [one for one in found.leftovers if one.state not in STAYS]
    lighter = sum(one.state.startswith("weights") for one in going)
    parts = [f"{len(going) - lighter} stages"] * (len(going) > lighter)
    parts += [f"the weights of {lighter} stages"] * bool(lighter)
    told = f"{' and '.join(parts) or 'nothing'}, {size_words(found.bytes)}"
    lines.append(f"{told} removed" if removed else f"{told} would go; --yes removes them")
    return "\n".join(lines)


def _is_stage(store: Store, path: Path) -> bool:
    verb = path.name.partition("-")[0]
    known = any((path / name).is_file() for name in (RECORD, START))
    return verb in OUTPUT and path.is_dir() and (known or store.is_dropped(path.name))


def _leftover(store: Store, folder: Path) -> Leftover:
    done = (folder / RECORD).is_file() or store.is_dropped(folder.name)
    state = "done" if done else "unfinished"
    if store.is_held(folder.name):
        state = "in use"
    return Leftover(id=folder.name, bytes=size_of(folder), state=state)


def _weights(store: Store, name: str) -> Leftover:
    size = sum(path.stat().st_size for path in weights_of(store, name))
    return Leftover(id=name, bytes=size, state="weights")


def _spare(store: Store, plans: Sequence[Plan]) -> list[str]:
    """Ids of stages with weights that nothing in any of the plans needs any more."""
    named: dict[str, bool] = {}
    for plan in plans:
        over = set(removable(store, plan, finished(plan, store).__contains__, plan.stages))
        for name in plan.stages:
            named[name] = named.get(name, True) and name in over
    return [name for name, over in named.items() if over]

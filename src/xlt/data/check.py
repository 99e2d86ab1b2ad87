"""What a data root holds: every set read whole, its labels, and what it shares with tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import Task
from xlt.data.overlap import (
    Overlap,
    TestKeys,
    index_of,
    overlap_table,
    parallel_overlaps,
    parallel_set,
)
from xlt.data.records import DataSet, FileSet
from xlt.data.root import SPLITS, DataRoot

__all__ = ["FETCHED", "HUB_DIFFERS", "CheckedSet", "Report", "check_root", "plan_check"]

FETCHED = "fetched.json"
HUB_DIFFERS = {
    "bucc2018": "the hub's copy holds gold pairs only, no distractors: mining is far too easy",
    "udpos": "the hub's copy splits multiword tokens and joins other treebanks",
    "pawsx": "the hub's copy lost rows to csv quoting",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSet:
    """One file set that was read whole."""

    task: str
    lang: str
    split: str
    n: int
    labelled: bool
    paths: tuple[str, ...]
    sha256: str
    size: int
    notes: tuple[str, ...]
    overlap: tuple[Overlap, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record of `xlt data check --json`."""
        return {
            "task": self.task,
            "lang": self.lang,
            "split": self.split,
            "n": self.n,
            "labelled": self.labelled,
            "path": self.paths[0],
            "paths": list(self.paths),
            "sha256": self.sha256,
            "bytes": self.size,
            "notes": list(self.notes),
            "overlap": [overlap.to_json() for overlap in self.overlap],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found.

    Attributes:
        sets: every set of the chosen tasks and languages that could be read.
        errors: what was wrong with the others.
        missing: target -> official languages without a test set, where it has any.
        warnings: fetched copies that differ from the official data.
    """

    sets: tuple[CheckedSet, ...]
    errors: tuple[DataError, ...]
    missing: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def plan_check(root: DataRoot, tasks: Sequence[Task], langs: Iterable[str]) -> list[FileSet]:
    """The sets that a check reads, tests first.

    Test sets of other tasks and languages are among them where a train or dev set of their kind
    is; the list is empty when the root has nothing of the chosen tasks and languages.
    """
    wanted = set(langs)
    chosen = [task for task in tasks if kind_of(task).columns]
    names = {task.name for task in chosen}
    learnt = _sets(root, chosen, wanted, ("train", "dev"))
    kinds = {root.tasks[files.task].kind for files in learnt}
    tests = _sets(root, chosen, wanted, ("test",))
    others = [
        files
        for files in _sets(
            root,
            [task for task in root.tasks.values() if task.kind in kinds],
            set(root.languages),
            ("test",),
        )
        if not (files.task in names and files.lang in wanted)
    ]
    return [*tests, *others, *learnt]


def check_root(
    root: DataRoot,
    tasks: Sequence[Task],
    langs: Iterable[str],
    plan: Sequence[FileSet],
    tick: Callable[[int], None] = lambda n: None,
) -> Report:
    """Read every set of the tasks and languages, and compare train and dev with all tests.

    Args:
        root: the data root.
        tasks: tasks to list.
        langs: codes of the languages to list.
        plan: of `plan_check` for the same tasks and languages.
        tick: called with 1 after every set.
    """
    wanted = set(langs)
    chosen = [task for task in tasks if kind_of(task).columns]
    names = {task.name for task in chosen}
    found: dict[tuple[str, str, str], CheckedSet] = {}
    errors: list[DataError] = []
    index: list[tuple[str, TestKeys]] = []
    for files in plan:
        task = root.tasks[files.task]
        listed = files.task in names and files.lang in wanted
        try:
            data = root.read(task, files.lang, files.split)
        except DataError as error:
            errors.append(error)
            continue
        finally:
            tick(1)
        overlap: list[Overlap] = []
        if files.split == "test":
            index.append((task.kind, index_of(task, files.lang, data)))
        else:
            overlap = overlap_table(data, (keys for kind, keys in index if kind == task.kind))
        if listed:
            found[files.task, files.lang, files.split] = _checked(root, data, overlap)
    mined = any(kind_of(task).vectors for task in chosen)
    parallel = [
        _parallel(root, lang, errors) for lang in root.parallel_langs() if mined and lang in wanted
    ]
    order = {task.name: number for number, task in enumerate(chosen)}
    return Report(
        sets=(
            *sorted(found.values(), key=lambda one: (order[one.task], SPLITS.index(one.split))),
            *(one for one in parallel if one is not None),
        ),
        errors=tuple(errors),
        missing=_missing(root, chosen, wanted),
        warnings=_warnings(root, names),
    )


def _sets(
    root: DataRoot, tasks: Sequence[Task], langs: set[str], splits: Sequence[str]
) -> list[FileSet]:
    return [
        files
        for task in tasks
        for split in splits
        for lang in root.langs(task, split)
        if lang in langs and (files := root.find(task, lang, split)) is not None
    ]


def _parallel(root: DataRoot, lang: str, errors: list[DataError]) -> CheckedSet | None:
    """Parallel text, which must not hold the gold pairs of a retrieval test."""
    try:
        return _checked(root, parallel_set(root, lang), parallel_overlaps(root, lang))
    except DataError as error:
        errors.append(error)
        return None


def _checked(root: DataRoot, data: DataSet, overlap: Sequence[Overlap]) -> CheckedSet:
    return CheckedSet(
        task=data.task,
        lang=data.lang,
        split=data.split,
        n=len(data),
        labelled=data.labelled,
        paths=tuple(_relative(root, path) for path in data.paths),
        sha256=data.sha256,
        size=sum(path.stat().st_size for path in data.paths),
        notes=data.notes,
        overlap=tuple(overlap),
    )


def _relative(root: DataRoot, path: Path) -> str:
    return str(path.relative_to(root.path)) if path.is_relative_to(root.path) else str(path)


def _missing(root: DataRoot, tasks: Sequence[Task], langs: set[str]) -> dict[str, tuple[str, ...]]:
    """Official languages without a test set; none in a root whose languages are invented."""
    missing: dict[str, tuple[str, ...]] = {}
    if root.languages["en"].constructed:
        return missing
    for task in tasks:
        there = set(root.langs(task, "test"))
        if task.role == "target" and there:
            absent = [code for code in task.languages if code not in there and code in langs]
            if absent:
                missing[task.name] = tuple(absent)
    return missing


def _warnings(root: DataRoot, names: set[str]) -> tuple[str, ...]:
    """Where a fetched copy differs from the official data."""
    path = root.path / FETCHED
    if not path.is_file():
        return ()
    files = read_json(path).get("files", {})
    fetched = {str(record.get("task")) for record in files.values()}
    return tuple(f"{task}: {text}" for task, text in HUB_DIFFERS.items() if task in fetched & names)

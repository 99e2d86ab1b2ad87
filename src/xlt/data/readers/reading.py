"""From the files of a set to the set: the reader of the kind, labels beside, placeholders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from xlt.core.errors import UsageError
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import KindName, ProtocolName, Task
from xlt.data.readers.choices import read_choices
from xlt.data.readers.columns import mapped_rows
from xlt.data.readers.labels import with_labels
from xlt.data.readers.pairs import read_pairs, row_languages
from xlt.data.readers.retrieval import read_aligned, read_bucc, read_tatoeba
from xlt.data.readers.rows import Row, json_rows, suffix
from xlt.data.readers.spans import read_spans, span_languages
from xlt.data.readers.tags import read_tags
from xlt.data.records import (
    DataSet,
    FileSet,
    Rows,
    all_or_none,
    file_digest,
    placeholder,
    without_gold,
)
from xlt.data.usertask import UserTask

__all__ = ["BITEXT_READERS", "READERS", "languages_inside", "read_files"]

Reader = Callable[[Path, Task, str | None, Iterator[Row] | None], Rows]

# One row a kind whose files hold one example after the other, and one a protocol of retrieval.
READERS: dict[KindName, Reader] = {
    "pair": read_pairs, "choice": read_choices, "tag": read_tags, "span": read_spans,
}  # fmt: skip
BITEXT_READERS: dict[ProtocolName, Callable[..., Rows]] = {
    "search": read_tatoeba, "mine": read_bucc,
}  # fmt: skip
# Kinds whose files may name the language of a row elsewhere than in a language column.
LANGUAGES: dict[KindName, Callable[[Path], frozenset[str]]] = {"span": span_languages}


def read_files(files: FileSet, task: Task, user: UserTask | None = None) -> DataSet:
    """Read the files of a set whole.

    Args:
        files: what `DataRoot.find` found.
        task: whose files they are.
        user: the task file's record of a user task.

    Raises:
        DataError: the files are not what they say they are.
    """
    rows = _rows(files, task, user if files.mapped else None)
    beside = None if _labelled(rows, files.split) else files.labels
    if beside is not None:
        rows = with_labels(rows, files.paths[0], beside, task)
    labelled = _labelled(rows, files.split)
    examples, notes = rows.examples, rows.notes
    if files.split == "test" and not labelled:
        constant = rows.bitext is None and all_or_none(examples, str)
        why = "only placeholder labels" if constant else "no labels"
        notes = (*notes, f"{why}: the test set can be predicted, not scored")
        examples = without_gold(examples)
    paths = (*files.paths, beside) if beside else files.paths
    return DataSet(
        task=files.task,
        lang=files.lang,
        split=files.split,
        examples=examples,
        bitext=rows.bitext,
        labelled=labelled,
        paths=paths,
        sha256=file_digest(paths),
        notes=notes,
    )


def languages_inside(path: Path, task: Task, user: UserTask | None = None) -> frozenset[str]:
    """Which languages the rows of one file hold (a language column, or TyDiQA's ids)."""
    if user is not None:
        return frozenset(str(row.fields.get("language")) for row in mapped_rows(path, user))
    return LANGUAGES.get(task.kind, row_languages)(path)


def _rows(files: FileSet, task: Task, user: UserTask | None) -> Rows:
    if task.protocol is not None:
        return _bitext_rows(files, task.protocol, user)
    if task.kind not in READERS:
        raise UsageError(
            f"task {task.name} has no data files", "its text comes from text/ and parallel/"
        )
    read = READERS[task.kind]
    if len(files.paths) == 1 and not files.parts:
        path = files.paths[0]
        return read(path, task, files.lang, mapped_rows(path, user) if user else None)
    examples: list[Example] = []
    notes: list[str] = []
    names = files.parts or tuple(path.name for path in files.paths)
    for name, path in zip(names, files.paths, strict=True):
        rows = read(path, task, files.lang, mapped_rows(path, user) if user else None)
        notes.extend(rows.notes)
        examples.extend(
            dataclasses.replace(one, id=f"{name}:{one.id}") if files.parts else one
            for one in rows.examples
        )
    if files.parts:
        absent = [part for part in task.parts if part not in files.parts]
        notes.append("joined: " + ", ".join(files.parts))
        if absent:
            notes.append("absent: " + ", ".join(absent))
    all_or_none(tuple(examples), lambda index: f"example {examples[index].id}")
    return Rows(examples=tuple(examples), notes=tuple(notes))


def _bitext_rows(files: FileSet, protocol: ProtocolName, user: UserTask | None) -> Rows:
    path = files.paths[0]
    if user is not None:
        return read_aligned(path, mapped_rows(path, user), files.lang)
    if suffix(path) == ".jsonl":
        return read_aligned(path, json_rows(path), files.lang)
    return BITEXT_READERS[protocol](*files.paths)


def _labelled(rows: Rows, split: str) -> bool:
    """Whether there are labels; in a test set, labels that mean something."""
    if rows.bitext is not None:
        return rows.bitext.gold is not None
    if not all_or_none(rows.examples, str):
        return False
    return split != "test" or not placeholder(rows.examples)

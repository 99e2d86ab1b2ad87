"""Pair and single-text sets: XNLI, MNLI, SNLI, ANLI, QQP, PAWS-X in their published layouts.

A layout is recognised by its column names, or by the number of columns where there is no
header, so that any single file of this kind can be given with `--train-split`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Pair
from xlt.core.tasks.table import NLI, Task
from xlt.data.readers.rows import (
    Row,
    bad_row,
    csv_rows,
    ends_in_crlf,
    json_rows,
    lines,
    shown,
    suffix,
    text_of,
    tsv_rows,
    unquote,
    whole_number,
)
from xlt.data.records import Rows, all_or_none

__all__ = ["read_pairs", "row_languages"]

FIRST = ("sentence1", "premise", "context", "question1", "text_a", "text")
SECOND = ("sentence2", "hypothesis", "hypo", "statement", "question2", "text_b")
LABEL = ("gold_label", "label", "is_duplicate")
NAME = ("pairID", "uid", "id", "idx", "index")
LANGUAGE = "language"
NAMES = {*FIRST, *SECOND, *LABEL, *NAME, LANGUAGE}
OF_LANGUAGE = re.compile(r"(sentence[12])_[a-z]{2,3}")
NLI_LABELS = {
    "e": "entailment",
    "n": "neutral",
    "c": "contradiction",
    "contradictory": "contradiction",
}
UNDECIDED = ("-", "-1")
BROKEN_QQP = 10


def read_pairs(
    path: Path, task: Task, lang: str | None = None, rows: Iterator[Row] | None = None
) -> Rows:
    """Read one file of pairs.

    Args:
        path: tsv, txt, csv or jsonl, plain or gzip.
        task: a task of kind pair; its labels are the allowed ones.
        lang: take only rows of this language where the file has a language column.
        rows: the file's rows with columns mapped, for a user task.

    Returns:
        Examples in file order. Rows whose gold label is `-` are dropped and counted in the
        notes.

    Raises:
        DataError: wrong columns, a label outside the task's set, no row of the language.
    """
    notes: list[str] = []
    if rows is None:
        rows, notes = _rows(path, task)
    examples: list[Pair] = []
    numbers: list[int] = []
    undecided = 0
    columns: tuple[str | None, ...] | None = None
    for row in rows:
        if columns is None:
            columns = _columns(path, row)
        first, second, label_column, name_column = columns
        fields = row.fields
        if lang is not None and fields.get(LANGUAGE, lang) != lang:
            continue
        label = fields.get(label_column) if label_column else None
        if task.labels == NLI and str(label) in UNDECIDED:
            undecided += 1
            continue
        name = fields.get(name_column) if name_column else None
        examples.append(
            Pair(
                id=str(len(examples) + undecided if name in (None, "") else name),
                text_a=text_of(path, row, str(first)),
                text_b=text_of(path, row, second) if second else None,
                label=_label(path, row, label, task.labels),
            )
        )
        numbers.append(row.line)
    if not examples:
        of = f" of language {lang!r}" if lang else ""
        raise DataError(f"{path}: no rows{of}", "check that this is the right file")
    all_or_none(tuple(examples), lambda index: f"{path}: line {numbers[index]}")
    if undecided:
        notes.append(f"{path.name}: {undecided} rows without a majority label dropped")
    return Rows(examples=tuple(examples), notes=tuple(notes))


def _rows(path: Path, task: Task) -> tuple[Iterator[Row], list[str]]:
    """The file's rows, whatever its layout, and remarks."""
    if suffix(path) in {".jsonl", ".json"}:
        return json_rows(path), []
    if suffix(path) == ".csv":
        return csv_rows(path), []
    found = lines(path)
    header = [_plain(name) for name in found[0].split("\t")]
    if len(NAMES.intersection(header)) >= min(2, len(header)):
        if "qid1" in header or ("question1" in header and "question2" in header):
            return _qqp_rows(path, found)
        return tsv_rows(path), []
    width = len(header)
    columns = ("sentence1", "sentence2", "label")
    if width not in {2, 3}:
        raise bad_row(
            path,
            1,
            f"{width} columns and no known header",
            "without a header: two texts, or two texts and a label, separated by tabs",
        )
    rows = tsv_rows(path, columns[:width])
    # PAWS-X's own files have quotes of their own; XTREME's csv writer adds a level to them
    raw = task.name == "pawsx" and not ends_in_crlf(path)
    return (rows if raw else _unquoted(rows)), []


def _unquoted(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a csv writer (preprocessed XNLI and PAWS-X) without its quotes."""
    for row in rows:
        yield Row(row.line, {name: unquote(field) for name, field in row.fields.items()})


def _qqp_rows(path: Path, found: Sequence[str]) -> tuple[Iterator[Row], list[str]]:
    """GLUE's QQP: its training file has a few rows that a line break cut; they are dropped."""
    columns = found[0].split("\t")
    width = len(columns)
    kept: list[Row] = []
    broken: list[int] = []
    for number, line in enumerate(found[1:], start=2):
        fields = line.split("\t")
        if len(fields) == width:
            kept.append(Row(number, dict(zip(columns, fields, strict=True))))
        else:
            broken.append(number)
    if len(broken) > BROKEN_QQP or not kept:
        count = len(found[broken[0] - 1].split("\t")) if broken else 0
        raise bad_row(
            path,
            broken[0] if broken else 1,
            f"{count} columns, expected {width}",
            "columns are separated by single tabs: " + ", ".join(columns),
        )
    note = [f"{path.name}: {len(broken)} broken rows dropped"] if broken else []
    return iter(kept), note


def _plain(name: str) -> str:
    match = OF_LANGUAGE.fullmatch(name)
    return match[1] if match else name


def _columns(path: Path, row: Row) -> tuple[str | None, ...]:
    """Which columns hold the first text, the second text, the label and the id."""
    plain = {_plain(name): name for name in row.fields}

    def first_of(names: Sequence[str]) -> str | None:
        return next((plain[name] for name in names if name in plain), None)

    first, second = first_of(FIRST), first_of(SECOND)
    if first is None:
        raise bad_row(
            path,
            row.line,
            "no column with a text among " + ", ".join(itertools.islice(row.fields, 12)),
            "known: " + ", ".join((*FIRST, *SECOND)),
        )
    return first, second, first_of(LABEL), first_of(NAME)


def _label(path: Path, row: Row, value: object, labels: tuple[str, ...]) -> str | None:
    """The label in the task's own words; None where the row has none."""
    if value is None or value == "" or str(value) in UNDECIDED:
        return None
    text = str(value).strip()
    if labels == NLI:
        text = NLI_LABELS.get(text, text)
    index = whole_number(text)
    if text not in labels and index is not None and index < len(labels):
        text = labels[index]
    if labels and text not in labels:
        raise bad_row(
            path, row.line, f"label {shown(value)} is not in the set", "known: " + ", ".join(labels)
        )
    return text


def row_languages(path: Path) -> frozenset[str]:
    """The values of a file's language column; empty when there is none."""
    if suffix(path) == ".jsonl":
        return frozenset(str(row.fields.get(LANGUAGE)) for row in json_rows(path))
    found = lines(path)
    header = found[0].split("\t")
    if LANGUAGE not in header:
        return frozenset()
    column = header.index(LANGUAGE)
    rows = (line.split("\t", column + 1) for line in found[1:])
    return frozenset(fields[column] for fields in rows if len(fields) > column)

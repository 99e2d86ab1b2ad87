"""Multiple-choice sets: HellaSwag, Cosmos QA, CommonsenseQA, XCOPA, and plain rows.

Each layout is recognised by its column names. How a prompt is put together follows jiant, the
code of the X-STILTs paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Choice
from xlt.core.tasks.table import Task
from xlt.data.readers.rows import (
    Row,
    bad_row,
    csv_rows,
    json_rows,
    shown,
    suffix,
    text_of,
    tsv_rows,
    whole_number,
)
from xlt.data.records import Rows, all_or_none

__all__ = ["read_choices"]

ASK = {"cause": "What was the cause?", "effect": "What happened as a result?"}
NAME = ("id", "ind", "idx")


def read_choices(
    path: Path, task: Task, lang: str | None = None, rows: Iterator[Row] | None = None
) -> Rows:
    """Read one file of multiple-choice questions (jsonl, csv or tsv, plain or gzip).

    Args:
        path: the file.
        task: a task of kind choice.
        lang: take only rows of this language where the file has a language column.
        rows: the file's rows with columns mapped, for a user task.

    Raises:
        DataError: missing columns, a wrong number of choices, a label outside the choices.
    """
    if rows is None:
        if suffix(path) == ".csv":
            rows = csv_rows(path)
        elif suffix(path) in {".tsv", ".txt"}:
            rows = tsv_rows(path)
        else:
            rows = json_rows(path)
    examples: list[Choice] = []
    numbers: list[int] = []
    for row in rows:
        if lang is not None and row.fields.get("language", lang) != lang:
            continue
        prompt, choices, label = _parts(path, row)
        if task.n_choices and len(choices) != task.n_choices:
            raise bad_row(
                path, row.line, f"{len(choices)} choices", f"{task.name} has {task.n_choices}"
            )
        name = next((str(row.fields[key]) for key in NAME if key in row.fields), "")
        examples.append(
            Choice(
                id=name or str(len(examples)),
                prompt=prompt,
                choices=choices,
                label=_index(path, row, label, len(choices)),
            )
        )
        numbers.append(row.line)
    if not examples:
        of = f" of language {lang!r}" if lang else ""
        raise DataError(f"{path}: no rows{of}", "check that this is the right file")
    all_or_none(tuple(examples), lambda index: f"{path}: line {numbers[index]}")
    return Rows(examples=tuple(examples))


def _parts(path: Path, row: Row) -> tuple[str, tuple[str, ...], object]:
    """Prompt, choices and raw label of a row."""
    fields = row.fields
    if "endings" in fields:  # HellaSwag
        start = text_of(path, row, "ctx_b")
        endings = _texts(path, row, fields["endings"])
        choices = tuple(f"{start} {ending}".strip() for ending in endings)
        return text_of(path, row, "ctx_a"), choices, fields.get("label")
    if "answer0" in fields:  # Cosmos QA
        prompt = f"{text_of(path, row, 'context')} {text_of(path, row, 'question')}"
        names = _numbered(fields, "answer")
        return prompt, tuple(text_of(path, row, name) for name in names), fields.get("label")
    if "choice1" in fields:  # XCOPA
        ask = text_of(path, row, "question")
        if ask not in ASK:
            raise bad_row(path, row.line, f"question is {shown(ask)}", "known: cause, effect")
        names = _numbered(fields, "choice")
        prompt = f"{text_of(path, row, 'premise')} {ASK[ask]}"
        return prompt, tuple(text_of(path, row, name) for name in names), fields.get("label")
    if isinstance(fields.get("question"), Mapping):  # CommonsenseQA as released
        question = fields["question"]
        inner = Row(row.line, question)
        pairs = [_choice(path, row, choice) for choice in _list(path, row, question, "choices")]
        label = _letter(path, row, [letter for letter, _ in pairs])
        return text_of(path, inner, "stem"), tuple(text for _, text in pairs), label
    if isinstance(fields.get("choices"), Mapping):  # CommonsenseQA, flat
        letters = [str(letter) for letter in _list(path, row, fields["choices"], "label")]
        texts = _texts(path, row, _list(path, row, fields["choices"], "text"))
        return text_of(path, row, "question"), texts, _letter(path, row, letters)
    if "prompt" in fields and "choices" in fields:
        return (
            text_of(path, row, "prompt"),
            _texts(path, row, fields["choices"]),
            fields.get("label"),
        )
    raise bad_row(
        path,
        row.line,
        "not a known layout of choices (columns " + ", ".join(list(fields)[:10]) + ")",
        "known: HellaSwag, Cosmos QA, CommonsenseQA, XCOPA, or prompt, choices, label",
    )


def _numbered(fields: Mapping[str, Any], prefix: str) -> list[str]:
    """The columns `answer0`, `answer1` ... in the file's order."""
    return [
        name
        for name in fields
        if name.startswith(prefix) and whole_number(name.removeprefix(prefix)) is not None
    ]


def _texts(path: Path, row: Row, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad_row(path, row.line, f"choices are {shown(value)}", "a list of texts is needed")
    return tuple(item.strip() for item in value)


def _list(path: Path, row: Row, fields: Mapping[str, Any], column: str) -> list[Any]:
    value = fields.get(column)
    if not isinstance(value, list):
        raise bad_row(path, row.line, f"{column} is {shown(value)}", "a list is needed here")
    return value


def _choice(path: Path, row: Row, choice: object) -> tuple[str, str]:
    if not isinstance(choice, Mapping) or not isinstance(choice.get("text"), str):
        raise bad_row(path, row.line, f"choice {shown(choice)}", "needed: label and text")
    return str(choice.get("label")), choice["text"].strip()


def _letter(path: Path, row: Row, letters: list[str]) -> int | None:
    key = row.fields.get("answerKey")
    if key in (None, ""):
        return None
    if key not in letters:
        raise bad_row(
            path,
            row.line,
            f"answerKey {shown(key)} is not a choice",
            "known: " + ", ".join(letters),
        )
    return letters.index(key)


def _index(path: Path, row: Row, label: object, n_choices: int) -> int | None:
    """The label as an index; None for an absent, empty or -1 label (test files)."""
    if label is None or str(label).strip() in {"", "-1"}:
        return None
    index = whole_number(str(label).strip())
    if index is None or index >= n_choices:
        raise bad_row(
            path,
            row.line,
            f"label {shown(label)} is not in the set",
            f"known: 0 to {n_choices - 1}",
        )
    return index

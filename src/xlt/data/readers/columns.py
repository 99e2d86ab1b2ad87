"""User tasks: where their files are, and which of their columns hold what.

A mapped row becomes the plain row that each kind's reader knows, so that user tasks and official
ones are read by the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlt.core.files import UNICODE_RULE, BadJson, parse_json
from xlt.core.kinds.table import kind_of
from xlt.data.readers.rows import Row, bad_row, csv_rows, json_rows, shown, suffix, tsv_rows
from xlt.data.usertask import UserTask

__all__ = ["map_row", "mapped_rows"]

OFFSET = re.compile(r"-?[0-9]{1,18}")


def mapped_rows(path: Path, user: UserTask) -> Iterator[Row]:
    """The rows of a tsv, csv or jsonl file under the names that readers know.

    Raises:
        DataError: a mapped column is not there; the file is broken.
    """
    if suffix(path) == ".csv":
        rows = csv_rows(path)
    elif suffix(path) in {".jsonl", ".json"}:
        rows = json_rows(path)
    else:
        rows = tsv_rows(path)
    for row in rows:
        yield map_row(path, row, user)


def map_row(path: Path, row: Row, user: UserTask) -> Row:
    """One row under the names that readers know."""
    try:
        return _mapped(path, row, user)
    except BadJson as error:
        raise bad_row(path, row.line, error.problem, UNICODE_RULE) from error


def _mapped(path: Path, row: Row, user: UserTask) -> Row:
    fields = {ours: _value(path, row, ours, theirs, user) for ours, theirs in user.columns.items()}
    if "words" in fields:
        fields["tokens"] = _listed(fields.pop("words"))
    if "tags" in fields:
        tags = _listed(fields["tags"])
        fields["tags"] = [_named(tag, user) for tag in tags] if isinstance(tags, list) else tags
    if "label" in fields:
        fields["label"] = _named(fields["label"], user)
    if "choices" in fields:
        fields["choices"] = _listed(fields["choices"])
    if "answers" in fields:
        fields["answers"] = _structure(fields["answers"])
    if "answer_text" in fields:
        text, start = fields.pop("answer_text"), fields.pop("answer_start", None)
        place = _place(path, row, start)
        if place is None:
            place = str(fields.get("context")).find(str(text))
        fields["answers"] = [{"text": text, "answer_start": place}] if text else []
    if "id" in fields or kind_of(user.task).keyed:
        fields["id"] = str(fields.get("id", row.line))
    return Row(row.line, fields)


def _place(path: Path, row: Row, start: object) -> int | None:
    """An `answer_start`; None where it is absent."""
    text = "" if start is None else str(start).strip()
    if not text:
        return None
    if not OFFSET.fullmatch(text):
        raise bad_row(path, row.line, f"answer_start is {shown(start)}", "a whole number, or none")
    return int(text)


def _value(path: Path, row: Row, ours: str, theirs: str | tuple[str, ...], user: UserTask) -> Any:
    names = (theirs,) if isinstance(theirs, str) else theirs
    for name in names:
        if name not in row.fields and ours not in {"label", "tags", "answers", "answer_text"}:
            raise bad_row(
                path,
                row.line,
                f"no column {name!r} (for {ours}); there are {', '.join(list(row.fields)[:10])}",
                f"correct `columns` in the task file of {user.task.name}",
            )
    if isinstance(theirs, str):
        return row.fields.get(theirs)
    values = [row.fields.get(name) for name in names]
    return values if ours == "choices" else " ".join(str(value).strip() for value in values)


def _named(value: Any, user: UserTask) -> Any:
    """A label or tag by name: through `values`, or as an index into the task's labels."""
    if value is None:
        return None
    text = str(value)
    if text in user.values:
        return user.values[text]
    if isinstance(value, int) and 0 <= value < len(user.task.labels):
        return user.task.labels[value]
    return value


def _listed(value: Any) -> Any:
    """A list; a text is split on spaces, or read as JSON when it is a JSON list."""
    if isinstance(value, str):
        found = _structure(value)
        return found if isinstance(found, list) else value.split()
    return value


def _structure(value: Any) -> Any:
    """JSON inside a text column; anything else as it is."""
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        try:
            return parse_json(value)
        except BadJson as error:
            if error.unicode:
                raise
            return value
    return value

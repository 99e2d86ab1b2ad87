"""Plain, gzipped, tab-separated, CSV and JSON-lines files as numbered rows.

Every error names the file, the line, the value and the rule.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import UNICODE_RULE, BadJson, parse_json, read_json, read_text

__all__ = [
    "Row",
    "bad_row",
    "csv_rows",
    "ends_in_crlf",
    "json_rows",
    "json_value",
    "lines",
    "shown",
    "suffix",
    "text_of",
    "tsv_rows",
    "unquote",
    "whole_number",
]

NUMBER = re.compile(r"[0-9]{1,18}")
OPTIONAL_TAIL = re.compile(r"label\d")
SHOWN = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its 1-based line number and its fields by column name."""

    line: int
    fields: Mapping[str, Any]


def bad_row(path: Path, line: int, problem: str, rule: str) -> DataError:
    """A DataError about one line: what is wrong there and the rule that it breaks."""
    return DataError(f"{path}: line {line}: {problem}", rule)


def shown(value: object) -> str:
    """A value as messages show it: quoted, not longer than a few words."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4]} ...{text[-1:]}"


def suffix(path: Path) -> str:
    """The file's suffix without `.gz`: `.tsv`, `.jsonl`, or an empty string."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def whole_number(value: object) -> int | None:
    """The number that ASCII digits spell (`7`, `"07"`); None for anything else.

    `str.isdigit` is no such test: it takes `²`, which `int` refuses, and the digits of every
    script, which no file format means.
    """
    text = str(value)
    return int(text) if NUMBER.fullmatch(text) else None


def lines(path: Path) -> list[str]:
    """All lines of a UTF-8 file, without line ends (LF or CRLF only, as the sets' own scripts).

    Raises:
        DataError: missing, truncated, not UTF-8, or empty.
    """
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty", "fetch it again, or remove it")
    found = text.split("\n")
    if not found[-1]:
        found.pop()
    return [line.removesuffix("\r") for line in found]


def ends_in_crlf(path: Path) -> bool:
    """Whether every line of a file ends in CRLF, as Python's csv writer ends them."""
    text = read_text(path)
    return 0 < text.count("\n") == text.count("\r\n")


def unquote(field: str) -> str:
    """Undo one level of csv quoting where a field shows it: `"a ""b"" c"` is `a "b" c`."""
    inner = field[1:-1]
    if len(field) < 2 or field[0] != '"' or field[-1] != '"' or '""' not in inner:
        return field
    return field if '"' in inner.replace('""', "") else inner.replace('""', '"')


def tsv_rows(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Rows of a tab-separated file without quoting.

    Args:
        path: the file.
        columns: names for a file without a header line; None takes them from the first line.

    Annotator columns at the end of a header (`label1` ...) may be missing in a row, as in the
    NLI sets' own files.

    Raises:
        DataError: a row has too many or too few columns.
    """
    numbered = enumerate(lines(path), start=1)
    if columns is None:
        columns = tuple(next(numbered)[1].split("\t"))
    least = len(columns)
    while least > 1 and OPTIONAL_TAIL.fullmatch(columns[least - 1]):
        least -= 1
    for number, line in numbered:
        fields = line.split("\t")
        if not least <= len(fields) <= len(columns):
            raise bad_row(
                path,
                number,
                f"{len(fields)} columns, expected {len(columns)}",
                "columns are separated by single tabs: " + ", ".join(columns[:least]),
            )
        yield Row(number, dict(zip(columns, fields, strict=False)))


def csv_rows(path: Path) -> Iterator[Row]:
    """Rows of a quoted CSV file with a header line; line numbers are those of a row's end."""
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty", "fetch it again, or remove it")
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a field may be any text
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader)
        for fields in reader:
            if len(fields) != len(columns):
                raise bad_row(
                    path,
                    reader.line_num,
                    f"{len(fields)} columns, expected {len(columns)}",
                    "the header names " + ", ".join(columns[:12]),
                )
            yield Row(reader.line_num, dict(zip(columns, fields, strict=True)))
    except csv.Error as error:
        raise bad_row(
            path, reader.line_num, f"not valid CSV ({error})", "the file may be truncated"
        ) from error


def json_rows(path: Path) -> Iterator[Row]:
    """Rows of a JSON-lines file: one object a line, blank lines skipped."""
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except BadJson as error:
            if error.unicode:
                problem = f"column {error.column}: {error.problem}"
                raise bad_row(path, number, problem, UNICODE_RULE) from error
            raise bad_row(
                path,
                number,
                f"not valid JSON ({error.problem} at column {error.column})",
                "one JSON object a line; the file may be truncated",
            ) from error
        if not isinstance(value, dict):
            raise bad_row(
                path, number, f"{shown(value)} is not an object", "one JSON object a line"
            )
        yield Row(number, value)


def json_value(path: Path) -> Any:
    """The value of a JSON file that is not empty."""
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty", "fetch it again, or remove it")
    return read_json(path)


def text_of(path: Path, row: Row, column: str) -> str:
    """A column that must hold a text."""
    value = row.fields.get(column)
    if not isinstance(value, str):
        raise bad_row(path, row.line, f"{column} is {shown(value)}", "a text is needed here")
    return value.strip()

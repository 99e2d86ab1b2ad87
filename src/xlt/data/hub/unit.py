"""One split of one hub data set, and the files of a data root that it becomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "SPLITS",
    "XTREME",
    "Record",
    "Unit",
    "class_name",
    "clean",
    "dump",
    "question",
    "unit_of_rows",
]

XTREME = "google/xtreme"
SPLITS = {"train": "train", "dev": "validation", "test": "test"}
Convert = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
Record = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One split of one hub config, and the files that it becomes.

    Attributes:
        tasks: names of the tasks that read the files.
        files: paths in the data root that must come out of it.
        convert: a hub row -> (path, line) pairs; lines for other paths are dropped.
    """

    tasks: tuple[str, ...]
    dataset: str
    config: str
    split: str
    files: tuple[str, ...]
    convert: Convert

    def __str__(self) -> str:
        return f"{self.dataset} {self.config} {self.split}"


def dump(**fields: Any) -> str:
    """One row of a JSON-lines file."""
    return json.dumps(fields, ensure_ascii=False)


def clean(text: Any) -> str:
    """A text for a line-based file: one line, no tabs."""
    return " ".join(str(text).split())


def class_name(value: Any, names: Sequence[str]) -> Any:
    """A class index by name; undecided (-1) is `-`."""
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else "-"
    return value


def unit_of_rows(
    task: str,
    config: str,
    split: str,
    path: str,
    record: Record,
    *,
    dataset: str = XTREME,
    hub_split: str | None = None,
) -> Unit:
    """One config's split as one file of JSON rows."""
    return Unit(
        tasks=(task,),
        dataset=dataset,
        config=config,
        split=hub_split or SPLITS[split],
        files=(path,),
        convert=lambda row: [(path, dump(**record(row)))],
    )


def question(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a SQuAD-like row."""
    return {key: row[key] for key in ("id", "question", "context", "answers")}

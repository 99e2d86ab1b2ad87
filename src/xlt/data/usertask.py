"""What a task file says: the task's record, where its files are, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.tasks.table import Task

__all__ = ["Columns", "HubSource", "UserTask"]

Columns = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A hub data set: its name, the pattern of its config names, and what its splits are called."""

    name: str
    config: str = "default"
    splits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTask:
    """A task from a task file.

    Attributes:
        task: its record, as for official tasks.
        folder: of the task file; relative file patterns are looked up in the data root first,
            then here.
        files: split -> file pattern with `{lang}`, `{iso}`, `{iso3}`, `{split}`, `*`; or the two
            patterns of a bitext, foreign and English.
        hub: a hub data set that `xlt data fetch` turns into files; None without one.
        columns: our name -> the file's column, or several columns (prompt, choices).
        values: a value in a label or tag column, as text -> its name in `task.labels`.
    """

    task: Task
    folder: Path
    files: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    hub: HubSource | None = None
    columns: Columns = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, for runs and bundles."""
        value = asdict(self)
        return {**value, "task": self.task.to_json(), "folder": str(self.folder)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> UserTask:
        """The record that `to_json` wrote.

        Raises:
            TypeError: it is none.
        """
        hub = value.get("hub")
        columns = {
            name: column if isinstance(column, str) else tuple(column)
            for name, column in value["columns"].items()
        }
        files = {
            split: pattern if isinstance(pattern, str) else tuple(pattern)
            for split, pattern in value["files"].items()
        }
        given = {
            "files": files,
            "task": Task.from_json(value["task"]),
            "folder": Path(value["folder"]),
            "hub": HubSource(**hub) if hub else None,
            "columns": columns,
        }
        return cls(**{**value, **given})

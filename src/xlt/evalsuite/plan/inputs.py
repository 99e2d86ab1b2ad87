"""What a cell is computed from: its files, for BUCC the dev files of the threshold too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import sha256_json
from xlt.core.kinds.table import kind_of
from xlt.data import DataRoot, FileSet
from xlt.evalsuite.plan.plan import Planned

__all__ = ["Inputs", "find_inputs"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files of one cell, found but not read.

    Attributes:
        files: of the language and split that is evaluated.
        tuning: of the dev set that BUCC's threshold comes from; None where there is none.
        mapping: how a task file reads the columns; None for tasks of our own.
    """

    files: FileSet
    tuning: FileSet | None = None
    mapping: dict[str, Any] | None = None

    @property
    def sha256(self) -> str:
        """Hash of all that the cell's items depend on, gold included, and how it is read."""
        sets = [_content(files) for files in (self.files, self.tuning) if files is not None]
        return sha256_json([sets, self.mapping])

    @property
    def size(self) -> int:
        """Bytes of the files that are there: a measure of the work, before it is done."""
        sets = [files for files in (self.files, self.tuning) if files is not None]
        paths = [path for files in sets for path in files.paths if path.is_file()]
        return sum(path.stat().st_size for path in paths)


def find_inputs(root: DataRoot, cell: Planned) -> Inputs:
    """Find what a cell needs.

    Raises:
        DataError: the files have gone since the plan was made.
    """
    task = cell.task
    files = root.find(task, cell.lang, cell.split)
    if files is None:
        raise DataError(
            f"no {cell.split} data of {task.name} in {cell.lang}",
            "tried " + ", ".join(root.tried(task, cell.lang, cell.split)),
        )
    matching = kind_of(task).matching
    tuned = matching is not None and matching.tuned and cell.split != "dev"
    user = root.user_tasks.get(task.name)
    return Inputs(
        files=files,
        tuning=root.find(task, cell.lang, "dev") if tuned else None,
        mapping={"columns": dict(user.columns), "values": dict(user.values)} if user else None,
    )


def _content(files: FileSet) -> list[Any]:
    """The bytes of a set and what decides how they are read: suffixes, parts, one file for many."""
    suffixes = [path.name.partition(".")[2] for path in files.paths]
    return [files.digest(), suffixes, files.mixed, files.mapped, list(files.parts)]

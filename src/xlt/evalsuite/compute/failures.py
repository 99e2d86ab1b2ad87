"""Cells that failed: their tracebacks are saved, and the other cells are evaluated."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from xlt.core.errors import UsageError, XltError
from xlt.core.files import write_atomic
from xlt.core.show import terminal as show
from xlt.evalsuite.plan.plan import Planned

__all__ = ["Failure", "Failures"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell that could not be evaluated; `saved` is the file with the traceback."""

    task: str
    lang: str
    split: str
    error: str
    saved: str

    def __str__(self) -> str:
        return f"{self.task}/{self.lang}: {self.error}"


class Failures:
    """Catches errors of single cells of one results folder."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._errors: list[Exception] = []
        self.found: list[Failure] = []

    def attempt(self, cell: Planned, work: Callable[[], T]) -> T | None:
        """What `work` returns; None when it fails, which is then recorded as the cell's failure.

        Raises:
            UsageError: a full disk ends everything (as a stop does, which is no Exception).
        """
        try:
            return work()
        except UsageError:
            raise
        except Exception as error:
            text = error.message if isinstance(error, XltError) else _one_line(error)
            saved = self._saved(cell)
            write_atomic(saved, "".join(traceback.format_exception(error)))
            self._errors.append(error)
            self.found.append(
                Failure(
                    task=cell.task.name,
                    lang=cell.lang,
                    split=cell.split,
                    error=text,
                    saved=str(saved),
                )
            )
            show.note(f"{cell.name}: failed: {text}")
            return None

    def forget(self, cell: Planned) -> None:
        """The cell is finished: an older traceback of it goes."""
        saved = self._saved(cell)
        saved.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            saved.parent.rmdir()

    def put_in_order(self, cells: Sequence[Planned]) -> None:
        """Sort what was found as the cells are, whatever finished first."""
        order = {(cell.task.name, cell.lang): number for number, cell in enumerate(cells)}
        self.found.sort(key=lambda failure: order[failure.task, failure.lang])

    def raise_if_nothing_done(self, done: Sized) -> None:
        """Raise the first error when no cell was done and all errors have one exit code.

        Raises:
            XltError: the first error.
        """
        codes = {error.exit_code if isinstance(error, XltError) else 1 for error in self._errors}
        if self._errors and not done and len(codes) == 1:
            raise self._errors[0]

    def _saved(self, cell: Planned) -> Path:
        return self._out / "failed" / f"{cell.task.name}-{cell.split}-{cell.lang}.txt"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

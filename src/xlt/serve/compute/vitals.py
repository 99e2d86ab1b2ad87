"""Health of the loaded models: whether each still answers.

Failed rows alone do not tell: any client can send inputs that a model fails on. After a number of
failures without a success between them the model computes a row of our own; it counts as failing
only when that fails too, until its first success. A failing model is checked again at intervals,
since a server that is not ready gets no requests that could succeed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["CHECK_SECONDS", "FAILURES", "NOT_FINITE", "RowFault", "Vitals", "is_finite"]

# Failures without a success between before the model is checked: seconds of light traffic when a
# model is broken, and at most one row more in 20 when a client sends nothing but bad inputs.
FAILURES = 20
CHECK_SECONDS = 5.0  # between checks of a failing model
NOT_FINITE = "NaN or infinite numbers"

log = logging.getLogger("xlt.serve")


class RowFault(Exception):
    """Why one row has no output."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Vitals:
    """Health of a loaded model.

    Args:
        name: of the model.
        check_row: a row that a healthy model computes without trouble.

    Attributes:
        failed: rows without output since the last one with.
        reason: why the model is not ready; None while it answers.
    """

    def __init__(self, name: str, check_row: Any) -> None:
        self.name, self.check_row = name, check_row
        self.failed = 0
        self.reason: str | None = None

    def note(self, outputs: Sequence[Any], run: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Count a computed batch, and check the model when too many rows have failed.

        Args:
            outputs: of the batch; a `RowFault` where a row has none.
            run: computes rows with the model.
        """
        if not all(isinstance(output, RowFault) for output in outputs):
            self._answered()
            return
        self.failed += len(outputs)
        if self.reason is None and self.failed >= FAILURES:
            self.check(run)

    def check(self, run: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Compute the check row; its outcome decides whether the model counts as failing."""
        try:
            fault = None if is_finite(run([self.check_row])) else NOT_FINITE
        except Exception as error:
            fault = type(error).__name__
        if fault is None:
            self._answered()
        elif self.reason is None:
            self.reason = (
                f"model {self.name!r} fails: {self.failed} inputs in a row and a plain text "
                f"({fault})"
            )
            log.error("%s", self.reason)

    def _answered(self) -> None:
        if self.reason is not None:
            log.info("model %r answers again", self.name)
        self.failed, self.reason = 0, None


def is_finite(output: Any) -> bool:
    """Whether all numbers of an output are finite (an array, or arrays in containers)."""
    if isinstance(output, np.ndarray):
        return bool(np.logical_and.reduce(np.isfinite(output), axis=None))
    parts: Iterable[Any] = output.values() if isinstance(output, dict) else output
    return all(is_finite(part) for part in parts)

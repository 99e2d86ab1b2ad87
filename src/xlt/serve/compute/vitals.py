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

__all__ = [
    "CHECK_SECONDS",
    "FAILURES",
    "NOT_FINITE",
    "RowFault",
    "Vitals",
    "is_finite",
]

# Failures without a success between before the model is checked: seconds of light traffic when a
# model is broken, and at most one row more in 20 when a client sends nothing but bad inputs.
FAILURES = 20
CHECK_SECONDS = 5.0  # between checks of a failing model
NOT_FINITE = "NaN or infinite numbers"

Trial = Callable[[], Sequence[Any]]
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

    Attributes:
        failed: rows without output since the last one with.
        undecoded: items whose outputs could not be decoded, since the last one that could.
        reason: why the model is not ready; None while it answers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed = self.undecoded = 0
        self.reason: str | None = None

    def note(self, outputs: Sequence[Any], trial: Trial) -> None:
        """Count a computed batch, and check the model when too much has failed.

        Args:
            outputs: of the batch; a `RowFault` where a row has none.
            trial: computes and decodes something plain with the model.
        """
        if all(isinstance(output, RowFault) for output in outputs):
            self.failed += len(outputs)
        else:
            self.failed = 0
            if self.reason is not None and self.undecoded < FAILURES:
                self._answered()
        if self.reason is None and max(self.failed, self.undecoded) >= FAILURES:
            self.check(trial)

    def note_decoded(self, n_items: int, n_faults: int) -> None:
        """Count decoded items. Nothing is computed here: the next batch checks the model."""
        if n_faults < n_items:
            self.undecoded = 0
        else:
            self.undecoded += n_faults

    def check(self, trial: Trial) -> None:
        """Try the model on something plain; that decides whether it counts as failing."""
        try:
            fault = None if is_finite(trial()) else NOT_FINITE
        except Exception as error:
            fault = type(error).__name__
        if fault is None:
            self._answered()
        elif self.reason is None:
            self.reason = (
                f"model {self.name!r} fails: {max(self.failed, self.undecoded)} inputs in a row "
                f"and a plain text ({fault})"
            )
            log.error("%s", self.reason)

    def _answered(self) -> None:
        if self.reason is not None:
            log.info("model %r answers again", self.name)
        self.failed = self.undecoded = 0
        self.reason = None


def is_finite(output: Any) -> bool:
    """Whether all numbers of an output are finite (an array, or arrays in containers)."""
    if isinstance(output, np.ndarray):
        return bool(np.logical_and.reduce(np.isfinite(output), axis=None))
    parts: Iterable[Any] = output.values() if isinstance(output, dict) else output
    return all(is_finite(part) for part in parts)

"""What all metrics share: counts, F1 from counts, and one error for lengths that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError

__all__ = ["Counts", "LengthMismatch", "Scores", "f1_scores", "same_length"]

Counts = NDArray[np.float64]
Scores = dict[str, NDArray[np.float64]]


class LengthMismatch(DataError):
    """Gold and predictions do not fit together.

    Attributes:
        index: 0-based place of the first item that does not fit.
        expected: how many there are in gold: items, or tags of item `index`.
        found: how many there are in the predictions.
        unit: what was counted: "examples", "sentences" or "tags".
    """

    def __init__(self, *, index: int, expected: int, found: int, unit: str) -> None:
        self.index, self.expected, self.found, self.unit = index, expected, found, unit
        where = f"item {index} has" if unit == "tags" else "there are"
        rest = "" if unit == "tags" else f"; they part at item {index}"
        super().__init__(
            f"{where} {found} predicted {unit} for {expected} in gold{rest}",
            "write one prediction for each example, in the order of the labels",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.index, self.expected, self.found, self.unit)


def _rebuild(index: int, expected: int, found: int, unit: str) -> LengthMismatch:
    return LengthMismatch(index=index, expected=expected, found=found, unit=unit)


def same_length(
    gold: Sequence[Any], predicted: Sequence[Any], *, unit: str = "examples", parts_at: int = -1
) -> None:
    """Check that there are as many predictions as gold items.

    Args:
        gold: what there should be.
        predicted: what there is.
        unit: what the items are called in the message.
        parts_at: where the two begin to differ, when the caller knows; else where one ends.

    Raises:
        LengthMismatch: the counts differ.
    """
    if len(gold) != len(predicted):
        index = parts_at if parts_at >= 0 else min(len(gold), len(predicted))
        raise LengthMismatch(index=index, expected=len(gold), found=len(predicted), unit=unit)


def f1_scores(sums: Counts) -> Scores:
    """F1, precision and recall from (correct, predicted, gold); 0 where nothing is correct."""
    hits, found, wanted = sums[..., 0], sums[..., 1], sums[..., 2]
    return {
        "f1": 200 * hits / np.maximum(found + wanted, 1),
        "precision": 100 * hits / np.maximum(found, 1),
        "recall": 100 * hits / np.maximum(wanted, 1),
    }

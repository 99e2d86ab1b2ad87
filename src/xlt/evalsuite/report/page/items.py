"""The items of a cell, read again from the data root, with what was predicted for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.metrics.official import read_predictions
from xlt.core.tasks.table import Task
from xlt.data import DataRoot, DataSet
from xlt.evalsuite.compute.rows import Rows, gold_in_order, score_rows

__all__ = ["Items", "read_items"]


@dataclass(frozen=True, kw_only=True)
class Items:
    """The items of one cell; gold and predictions are in the metric's form and order."""

    data: DataSet
    gold: Any
    predicted: Any
    rows: Rows


def read_items(root: DataRoot, task: Task, lang: str, split: str, predictions: Path) -> Items:
    """Read gold and predictions of a cell.

    Raises:
        DataError: there are no labels, or files do not fit together.
    """
    data = root.read(task, lang, split)
    labelled = data.labelled if data.bitext is None else data.bitext.gold is not None
    if not labelled:
        raise DataError(f"{task.name}/{lang}: the data root has no labels", "name another root")
    predicted = read_predictions(task, predictions)
    return Items(
        data=data,
        gold=gold_in_order(task, data),
        predicted=predicted,
        rows=score_rows(task, data, predicted),
    )

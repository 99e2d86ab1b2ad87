"""The one path from rows to answers to scores; the engine, training and evaluation share it.

Every prediction is made from one item's rows only, so that it cannot depend on its neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xlt.core.encode.rows import Row, item_name
from xlt.core.errors import ModelError
from xlt.core.kinds.base import Item, Outputs
from xlt.core.kinds.table import Prediction, kind_of
from xlt.core.metrics.table import measure
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task

__all__ = [
    "Run",
    "answer",
    "check_finite",
    "decode",
    "decode_item",
    "gold_of",
    "official_form",
    "score",
]

Run = Callable[[Sequence[Row]], Sequence[Outputs]]


def answer(task: Task, items: Sequence[Item], rows: Sequence[Row], run: Run) -> list[Prediction]:
    """Predictions of items, in their order.

    Args:
        task: its kind and labels.
        items: what was encoded.
        rows: all rows of these items, in the encoder's order.
        run: rows to their raw outputs, as the kind's `cut` leaves them.

    Raises:
        ModelError: an output is not finite, or does not fit the task's labels.
    """
    return decode(task, items, rows, run(rows))


def decode(
    task: Task, items: Sequence[Item], rows: Sequence[Row], outputs: Sequence[Outputs]
) -> list[Prediction]:
    """Predictions of items from their rows' raw outputs; arguments and errors as `answer`."""
    places: list[list[int]] = [[] for _ in items]
    for place, row in enumerate(rows):
        places[row.item].append(place)
    found: list[Prediction] = []
    for index, (item, mine) in enumerate(zip(items, places, strict=True)):
        given = [outputs[place] for place in mine]
        found.append(decode_item(task, index, item, [rows[place] for place in mine], given))
    return found


def decode_item(
    task: Task, index: int, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Prediction:
    """The prediction for one item from its rows and their outputs.

    Args:
        task: its kind and labels.
        index: the item's number, for messages.
        item: what was encoded.
        rows: the item's rows, in the encoder's order.
        outputs: the rows' raw outputs.

    Raises:
        ModelError: an output is not finite, or does not fit the task's labels.
    """
    check_finite(index, item, outputs)
    prediction: Prediction = kind_of(task).decode(task, item_name(index, item), item, rows, outputs)
    return prediction


def check_finite(index: int, item: Item, outputs: Sequence[Outputs]) -> None:
    """Refuse NaN and infinities; JSON writers would turn them into null.

    Raises:
        ModelError: names the item.
    """
    for output in outputs:
        for array in output.values():
            if not np.logical_and.reduce(np.isfinite(array), axis=None):
                raise ModelError(
                    f"{item_name(index, item)}: the model's output is not finite",
                    "an fp16 variant may overflow: try --precision fp32",
                )


def official_form(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> Any:
    """Predictions in the form of the task's official file, which metrics take too."""
    return kind_of(task).answers(examples, predictions)


def gold_of(task: Task, examples: Sequence[Example]) -> Any:
    """Gold parts of labelled examples in the same form."""
    return kind_of(task).gold(examples)


def score(
    task: Task, examples: Sequence[Example], predictions: Sequence[Prediction], lang: str
) -> dict[str, float]:
    """The task's metric, in percent, of predictions for labelled examples of one language.

    Each example has its own prediction here, also where ids repeat (TyDiQA's English train set);
    official files have one answer an id.

    Raises:
        DataError: there is nothing to score.
    """
    numbered = [dataclasses.replace(one, id=str(n)) for n, one in enumerate(examples)]
    predicted = official_form(task, numbered, predictions)
    return measure(task.metric, gold_of(task, numbered), predicted, lang)

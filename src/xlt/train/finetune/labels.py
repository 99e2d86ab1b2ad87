"""Gold labels as numbers beside an encoded row: one function a kind, None without a label."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from xlt.core.encode.rows import Row
from xlt.core.encode.windows import answer_positions
from xlt.core.tasks.examples import Choice, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.train.loop.batches import IGNORE

__all__ = ["choice_target", "pair_target", "span_target", "tag_target"]


def pair_target(row: Row, example: Pair, task: Task) -> np.ndarray | None:
    """The number of the class."""
    return None if example.label is None else np.array(_classes(task.labels)[example.label])


def choice_target(row: Row, example: Choice, task: Task) -> np.ndarray | None:
    """The number of the right candidate."""
    return None if example.label is None else np.array(example.label)


def tag_target(row: Row, example: Tagged, task: Task) -> np.ndarray | None:
    """The tag on the first sub-word of each word, IGNORE elsewhere."""
    if example.tags is None:
        return None
    assert row.words is not None
    classes = _classes(task.labels)
    target_L = np.full(len(row.ids), IGNORE, dtype=np.int64)
    words = example.tags[row.first_word : row.first_word + len(row.words)]
    target_L[row.words] = [classes[tag] for tag in words]
    return target_L


def span_target(row: Row, example: Question, task: Task) -> np.ndarray | None:
    """First and last token of the first answer; the first token where this window lacks it."""
    if example.answers is None:
        return None
    answer = example.answers[0] if example.answers else None
    return np.array(answer_positions(row, answer), dtype=np.int64)


@lru_cache(maxsize=8)
def _classes(labels: tuple[str, ...]) -> dict[str, int]:
    return {label: index for index, label in enumerate(labels)}

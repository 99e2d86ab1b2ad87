"""Gold labels as numbers beside the encoded rows, per kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.encode.windows import answer_positions
from xlt.core.errors import DataError
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.train.loop.batches import IGNORE, LabelledRows

__all__ = ["encode_labelled"]


def encode_labelled(encoder: Encoder, task: Task, examples: Sequence[Example]) -> LabelledRows:
    """Encode examples and put the gold label beside every row.

    Sentences longer than the model are several rows, contexts several windows; a window that
    does not hold the whole first answer points at the first token (SQuAD's convention).

    Raises:
        DataError: an example without a label, or an answer that is not in its context.
    """
    rows = encode(encoder, task.kind, examples)
    classes = {label: index for index, label in enumerate(task.labels)}
    targets = [_target(row, examples[row.item], classes, task) for row in rows]
    return LabelledRows(rows=tuple(rows), targets=tuple(targets))


def _target(row: Row, example: Example, classes: dict[str, int], task: Task) -> np.ndarray:
    match example:
        case Pair(label=str() as label):
            return np.array(classes[label])
        case Choice(label=int() as index):
            return np.array(index)
        case Tagged(tags=tuple() as tags):
            return _tags(row, tags, classes)
        case Question(answers=tuple()):
            answer = example.answers[0] if example.answers else None
            return np.array(answer_positions(row, answer), dtype=np.int64)
    raise DataError(
        f"{task.name}: example {getattr(example, 'id', '?')} has no label",
        "training needs labelled data",
    )


def _tags(row: Row, tags: Sequence[str], classes: dict[str, int]) -> np.ndarray:
    """The tag on the first sub-word of each word, IGNORE elsewhere."""
    assert row.words is not None
    target_L = np.full(len(row.ids), IGNORE, dtype=np.int64)
    words = tags[row.first_word : row.first_word + len(row.words)]
    target_L[row.words] = [classes[tag] for tag in words]
    return target_L

"""What training knows of each kind of task beyond its hyper-parameters: one row a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.errors import DataError
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import KindName, Task
from xlt.train.finetune import baseline, labels
from xlt.train.loop.batches import LabelledRows

__all__ = ["TRAINED", "Trained", "baselines", "encode_labelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a kind is trained.

    Attributes:
        target: (row, example, task) -> gold as numbers; None when the example has none.
        baselines: (task, train, dev) -> scores of answers that ignore the input.
    """

    target: Callable[[Row, Any, Task], np.ndarray | None]
    baselines: Callable[[Task, Sequence[Any], Sequence[Any]], dict[str, Any]] | None = None


TRAINED: dict[KindName, Trained] = {
    "pair": Trained(target=labels.pair_target, baselines=baseline.pair_baselines),
    "choice": Trained(target=labels.choice_target, baselines=baseline.choice_baselines),
    "tag": Trained(target=labels.tag_target, baselines=baseline.tag_baselines),
    "span": Trained(target=labels.span_target),
}


def encode_labelled(encoder: Encoder, task: Task, examples: Sequence[Example]) -> LabelledRows:
    """Encode examples and put the gold label beside every row.

    Sentences longer than the model are several rows, contexts several windows; a window that
    does not hold the whole first answer points at the first token (SQuAD's convention).

    Raises:
        DataError: an example without a label, or an answer that is not in its context.
    """
    rows = encode(encoder, task.kind, examples)
    targets = [_target(row, examples[row.item], task) for row in rows]
    return LabelledRows(rows=tuple(rows), targets=tuple(targets))


def baselines(task: Task, train: Sequence[Example], dev: Sequence[Example]) -> dict[str, Any]:
    """Scores on English dev of answers that ignore the input; {} where the kind has none."""
    found = TRAINED[task.kind].baselines
    return {} if found is None else found(task, train, dev)


def _target(row: Row, example: Example, task: Task) -> np.ndarray:
    target = TRAINED[task.kind].target(row, example, task)
    if target is None:
        raise DataError(
            f"{task.name}: example {example.id or '?'} has no label",
            "training needs labelled data",
        )
    return target

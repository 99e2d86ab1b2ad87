"""What each item of a cell adds to its score, to which cluster it belongs, and the interval of it.

A cluster is a paragraph with all its questions, else an item by its place in the file: the n-th
items of two languages are translations of each other in parallel sets and are then drawn
together; where they are not, drawing them together does no harm. Of mined pairs those of one
foreign sentence are a cluster.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from xlt.core.files import sha256_bytes
from xlt.core.inference.answer import gold_of
from xlt.core.metrics.table import counts, headline_score
from xlt.core.retrieval.tatoeba import english_order
from xlt.core.stats.intervals import interval
from xlt.core.stats.items import Rows
from xlt.core.tasks.table import Task
from xlt.data import DataSet

__all__ = ["Rows", "gold_in_order", "headline_score", "score_interval", "score_rows"]

HEX_DIGITS = 16  # of a hash: 64 bits


def score_rows(task: Task, data: DataSet, predicted: Any) -> Rows:
    """Count what is right, row by row, in a labelled set.

    Raises:
        DataError: predictions and gold do not fit together.
    """
    gold = gold_in_order(task, data)
    return Rows(
        counts=counts(task.metric, gold, predicted, data.lang),
        clusters=np.array(_clusters(task, data, gold, predicted), dtype=np.uint64),
    )


def gold_in_order(task: Task, data: DataSet) -> Any:
    """Gold in the order of the official predictions file."""
    if data.bitext is None:
        return gold_of(task, data.examples)
    pairs = data.bitext.gold or ()
    if task.protocol == "mine":
        return list(pairs)
    right = {english: foreign for foreign, english in pairs}
    texts = [sentence.text for sentence in data.bitext.english]
    return [right[data.bitext.english[line].id] for line in english_order(texts)]


def score_interval(task: Task, lang: str, rows: Rows) -> dict[str, float | int | str]:
    """The 95 % interval of a cell's score, as it stands in results.json; equal rows, equal bits."""
    rng = np.random.default_rng(zlib.crc32(f"{task.name}/{lang}".encode()))
    return interval(rows.sums()[1], headline_score(task.metric), rng).to_json()


def _clusters(task: Task, data: DataSet, gold: Any, predicted: Any) -> list[int]:
    """The cluster of each row that the metric's `count` makes."""
    if task.protocol == "mine":  # one row a distinct pair
        pairs = dict.fromkeys([*map(tuple, gold), *map(tuple, predicted)])
        return [int(sha256_bytes(pair[0].encode())[:HEX_DIGITS], 16) for pair in pairs]
    if data.bitext is not None:
        return list(range(len(gold)))
    paragraphs: dict[str, int] = {}
    names = []
    for place, example in enumerate(data.examples):
        context = getattr(example, "context", None)
        # a paragraph has the same place in every language of a parallel set
        names.append(place if context is None else paragraphs.setdefault(context, len(paragraphs)))
    return names

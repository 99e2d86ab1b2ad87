"""What each item of a cell adds to its score, and to which cluster it belongs.

A cluster is a paragraph with all its questions, else an item by its place in the file: the n-th
items of two languages are translations of each other in parallel sets and are then drawn
together; where they are not, drawing them together does no harm.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.inference.answer import gold_of
from xlt.core.metrics.counts import Counts
from xlt.core.metrics.official import read_predictions
from xlt.core.metrics.table import counts, get_metric
from xlt.core.retrieval.tatoeba import english_order
from xlt.core.stats.clusters import Score, Sums, cluster_sums
from xlt.core.tasks.table import Task
from xlt.data import DataRoot, DataSet

__all__ = ["Items", "headline_score", "read_items"]


@dataclass(frozen=True, kw_only=True)
class Items:
    """The items of one cell.

    Attributes:
        clusters: of each row of `counts_NS`.
        gold: in the metric's form.
        predicted: in the metric's form.
        data: the set they are of.
        rows: what every item adds, counts_NS.
    """

    task: Task
    data: DataSet
    gold: Any
    predicted: Any
    clusters: Sequence[Hashable]
    rows: Counts

    def sums(self) -> tuple[list[Hashable], Sums]:
        """Clusters and their sums_GS."""
        return cluster_sums(self.rows, self.clusters)


def read_items(root: DataRoot, task: Task, lang: str, split: str, predictions: Path) -> Items:
    """Read gold and predictions of a cell again.

    Raises:
        DataError: there are no labels, or files do not fit together.
    """
    data = root.read(task, lang, split)
    if not data.labelled:
        raise DataError(f"{task.name}/{lang}: the data root has no labels", "name another root")
    predicted = read_predictions(task, predictions)
    gold = gold_in_order(task, data)
    return Items(
        task=task,
        data=data,
        gold=gold,
        predicted=predicted,
        clusters=cluster_names(task, data, gold, predicted),
        rows=counts(task.metric, gold, predicted, lang),
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


def cluster_names(task: Task, data: DataSet, gold: Any, predicted: Any) -> list[Hashable]:
    """The cluster of each row that the metric's `count` makes."""
    if task.protocol == "mine":  # one row a distinct pair
        return [pair[0] for pair in dict.fromkeys([*map(tuple, gold), *map(tuple, predicted)])]
    if data.bitext is not None:
        return list(range(len(gold)))
    paragraphs: dict[str, int] = {}
    names: list[Hashable] = []
    for place, example in enumerate(data.examples):
        context = getattr(example, "context", None)
        # a paragraph has the same place in every language of a parallel set
        names.append(place if context is None else paragraphs.setdefault(context, len(paragraphs)))
    return names


def headline_score(task: Task) -> Score:
    """The number that XTREME averages, from summed counts: percent."""
    metric = get_metric(task.metric)

    def score(sums: Sums) -> NDArray[np.float64]:
        scores = metric.combine(sums)
        return np.asarray(sum(scores[name] for name in metric.headline) / len(metric.headline))

    return score

"""Retrieval cells: sentences of two collections are matched as the task's protocol says."""

from __future__ import annotations

from functools import partial

from xlt.core.kinds.table import kind_of
from xlt.core.metrics.table import measure
from xlt.core.show.terminal import Tick
from xlt.core.tasks.examples import Bitext
from xlt.core.tasks.table import Task
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome
from xlt.evalsuite.compute.predict import UNLABELLED
from xlt.evalsuite.compute.vectors import TextVectors

__all__ = ["NO_THRESHOLD", "match_and_score"]

NO_THRESHOLD = "no dev set for the threshold: no predictions, only the F1 tuned on what it scores"


def match_and_score(
    task: Task,
    data: DataSet,
    tuning: DataSet | None,
    vectors: TextVectors,
    tick: Tick,
    *,
    both_directions: bool,
) -> Outcome:
    """Match the sentences of a bitext and score the predictions, when there is gold.

    Mining cuts at the threshold that is best on dev. The F1 at the best threshold of the evaluated
    gold itself is optimistic and has its own name, `f1_<split>_tuned`; without a dev set it is all
    there is.

    Args:
        task: its protocol and metric.
        data: the collections to match.
        tuning: the dev collections; None where the protocol or the root has none.
        vectors: encodes the texts.
        tick: told the number of texts encoded.
        both_directions: also score the opposite direction where the protocol can, under the name
            `accuracy_from_foreign`, which no official average contains.
    """
    matching = kind_of(task).matching
    assert matching is not None, f"{task.name} matches nothing"
    embed = partial(vectors.embed, tick=tick)
    dev = None if tuning is None else _bitext(tuning)
    found = matching.match(_bitext(data), dev, embed, both_directions)
    flags: tuple[str, ...] = ()
    metrics: dict[str, float] = {}
    if found.on_dev is not None:
        metrics["threshold"] = found.on_dev.value
    if found.predictions is None:
        flags = (NO_THRESHOLD,)
    elif found.gold is not None:
        metrics |= measure(task.metric, found.gold, found.predictions, data.lang)
    if found.gold is None:
        flags = (*flags, UNLABELLED if found.predictions is not None else "unlabelled")
    if found.tuned is not None:
        best = found.tuned
        values = {"f1": best.f1, "precision": best.precision, "recall": best.recall}
        metrics |= {f"{name}_{data.split}_tuned": value for name, value in values.items()}
        metrics[f"threshold_{data.split}_tuned"] = best.value
    if found.backwards is not None:
        reverse = measure(task.metric, *found.backwards, data.lang)
        metrics["accuracy_from_foreign"] = reverse["accuracy"]
    return Outcome(n=len(data), metrics=metrics, flags=flags, predictions=found.predictions)


def _bitext(data: DataSet) -> Bitext:
    assert data.bitext is not None, "a retrieval task reads as a bitext"
    return data.bitext

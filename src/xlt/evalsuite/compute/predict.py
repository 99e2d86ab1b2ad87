"""From a labelled data set to predictions and scores, for the kinds with one answer an item."""

from __future__ import annotations

from xlt.core.errors import ModelError
from xlt.core.inference.answer import gold_of, official_form
from xlt.core.inference.engine import Engine
from xlt.core.kinds.table import Prediction, kind_of
from xlt.core.metrics.table import counts, measure, scores_of
from xlt.core.show.terminal import Tick
from xlt.core.tasks.table import Task
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome

__all__ = ["UNLABELLED", "majority_scores", "predict_and_score"]

UNLABELLED = "unlabelled: predictions written, no score"


def predict_and_score(task: Task, data: DataSet, engine: Engine, tick: Tick) -> Outcome:
    """Predict every item of a file and score it, when it has gold labels.

    Args:
        task: decides the metric; of a kind with a head.
        data: one language and split.
        engine: opened on a bundle of that kind.
        tick: told the number of items done.

    Raises:
        ModelError: the bundle gives vectors.
    """
    if kind_of(engine.task).vectors:
        raise ModelError("the bundle gives vectors, this task needs answers", "see --use")
    answers: list[Prediction] = []
    at_once = kind_of(task).items_at_once
    for start in range(0, len(data.examples), at_once):
        answers += engine.predict(data.examples[start : start + at_once], tick=tick)
    predicted = official_form(task, data.examples, answers)
    n = len(data.examples)
    if not data.labelled:
        return Outcome(n=n, metrics={}, flags=(UNLABELLED,), predictions=predicted)
    counts_NS = counts(task.metric, gold_of(task, data.examples), predicted, data.lang)
    metrics = scores_of(task.metric, counts_NS)
    return Outcome(n=n, metrics=metrics, predictions=predicted, counts=counts_NS)


def majority_scores(task: Task, data: DataSet, label: str) -> dict[str, float]:
    """Scores of always answering one label: what a model must beat.

    Args:
        task: of a kind whose classes are labels.
        data: with gold labels.
        label: the most frequent label of the training data.
    """
    constant = kind_of(task).constant
    assert constant is not None, f"{task.name} has no classes"
    gold = gold_of(task, data.examples)
    return measure(task.metric, gold, constant(gold, label), data.lang)

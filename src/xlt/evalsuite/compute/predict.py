"""From a labelled data set to predictions and scores, for the kinds with one answer an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlt.core.errors import ModelError
from xlt.core.inference.decode import Label, Picked, Prediction, Span, Tags
from xlt.core.inference.engine import Engine
from xlt.core.metrics.table import measure
from xlt.core.show.terminal import Tick
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.data import DataSet
from xlt.evalsuite.compute.cells import Outcome

__all__ = ["UNLABELLED", "majority_scores", "predict_and_score"]

# Items given to the engine together: enough for full batches of equal lengths, few enough to
# bound the memory of rows and outputs and to let progress move. Predictions do not depend on it.
ITEMS_AT_ONCE = 4096
QUESTIONS_AT_ONCE = 128
UNLABELLED = "unlabelled: predictions written, no score"


def predict_and_score(task: Task, data: DataSet, engine: Engine, tick: Tick) -> Outcome:
    """Predict every item of a file and score it, when it has gold labels.

    Args:
        task: decides the metric; its kind is one of pair, choice, tag, span.
        data: one language and split.
        engine: opened on a bundle of that kind.
        tick: told the number of items done.
    """
    answers: list[Prediction] = []
    at_once = QUESTIONS_AT_ONCE if task.kind == "span" else ITEMS_AT_ONCE
    for start in range(0, len(data.examples), at_once):
        answers += engine.predict(data.examples[start : start + at_once], tick=tick)
    predicted = _arrange(data.examples, answers)
    n = len(data.examples)
    if not data.labelled:
        return Outcome(n=n, metrics={}, flags=(UNLABELLED,), predictions=predicted)
    metrics = measure(task.metric, _gold(data.examples), predicted, data.lang)
    return Outcome(n=n, metrics=metrics, predictions=predicted)


def majority_scores(task: Task, data: DataSet, label: str) -> dict[str, float]:
    """Scores of always answering one label: what a model must beat.

    Args:
        task: of kind pair or tag.
        data: with gold labels.
        label: the most frequent label of the training data.
    """
    if task.kind == "tag":
        constant: Any = [[label] * len(tags) for tags in _gold(data.examples)]
    else:
        constant = [label] * len(data.examples)
    return measure(task.metric, _gold(data.examples), constant, data.lang)


def _arrange(examples: Sequence[Example], answers: Sequence[Prediction]) -> Any:
    """Predictions in the form of the task's file: a list, or question id -> answer."""
    texts = [_text(answer) for answer in answers]
    if any(isinstance(example, Question) for example in examples):
        return {example.id: text for example, text in zip(examples, texts, strict=True)}
    return texts


def _text(answer: Prediction) -> str | list[str]:
    match answer:
        case Label():
            return answer.label
        case Picked():
            return str(answer.index)
        case Tags():
            return list(answer.tags)
        case Span():
            return answer.text
    raise ModelError("the bundle gives vectors, this task needs answers", "see --use")


def _gold(examples: Sequence[Example]) -> Any:
    """Gold answers in the form that `xlt.core.metrics.table.measure` takes."""
    questions = [example for example in examples if isinstance(example, Question)]
    if questions:
        return {q.id: [answer.text for answer in q.answers or ()] for q in questions}
    return [_gold_of(example) for example in examples]


def _gold_of(example: Example) -> str | list[str] | None:
    match example:
        case Pair():
            return example.label
        case Choice():
            return str(example.label)
        case Tagged():
            return list(example.tags or ())
    raise TypeError(f"{type(example).__name__} has no gold form")

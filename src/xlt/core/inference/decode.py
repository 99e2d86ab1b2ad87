"""From a model's raw outputs to predictions, per kind, in numpy.

Every function here looks at one item only, so that a prediction cannot depend on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.rows import Row, item_name
from xlt.core.errors import ModelError
from xlt.core.tasks.examples import Example, Question, Tagged
from xlt.core.tasks.table import Task

__all__ = [
    "Label",
    "Outputs",
    "Picked",
    "Prediction",
    "Span",
    "Tags",
    "check_finite",
    "decode",
    "softmax",
    "unit_vector",
]

FloatArray = NDArray[np.float64]
Vector = NDArray[np.float32]
Outputs = Mapping[str, Vector]  # of one row, padding removed
BEST = 20  # starts, ends and answers that are looked at (run_squad's n_best_size)
LONGEST_ANSWER = 30  # sub-words (run_squad's max_answer_length)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Label:
    """A class of a pair or text: its name, its index, and all probabilities (C,)."""

    label: str
    index: int
    probabilities: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picked:
    """The chosen candidate and all probabilities (n_choices,)."""

    index: int
    probabilities: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tags:
    """One tag a word, and the probability of each (W,)."""

    tags: tuple[str, ...]
    scores: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An answer: `context[start:end] == text`, in code points; "" when there is none.

    Attributes:
        score: start logit + end logit.
        probability: softmax of the scores over the n best answers (and no answer).
        n_best: up to 20 answers with different texts, best first; theirs are empty.
        null_score: score of "no answer" for tasks that allow it (SQuAD 2); None otherwise.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float = 1.0
    n_best: tuple[Span, ...] = ()
    null_score: float | None = None


Prediction = Label | Picked | Tags | Span | Vector


def decode(
    task: Task, index: int, item: Example | str, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Prediction:
    """The prediction for one item.

    Args:
        task: its kind and labels.
        index: the item's number, for messages.
        item: what was encoded.
        rows: the item's rows, in the encoder's order.
        outputs: each row's raw outputs, as `Engine.run` returns them.

    Raises:
        ModelError: an output is not finite, or does not fit the task's labels.
    """
    check_finite(index, item, outputs)
    name = item_name(index, item)
    if task.kind == "pair":
        return _label(name, task.labels, outputs[0]["logits"])
    if task.kind == "choice":
        probabilities = softmax(outputs[0]["logits"])
        return Picked(index=int(np.argmax(probabilities)), probabilities=probabilities)
    if task.kind == "tag" and isinstance(item, Tagged):
        return _tags(name, task.labels, len(item.words), outputs)
    if task.kind == "span" and isinstance(item, Question):
        return _span(item.context, rows, outputs, null_answer=task.null_answer)
    if "last_hidden_state" in outputs[0]:
        return outputs[0]["last_hidden_state"]
    return unit_vector(outputs[0]["sentence_embedding"])


def check_finite(index: int, item: Example | str, outputs: Sequence[Outputs]) -> None:
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


def softmax(logits: NDArray[Any]) -> FloatArray:
    """Probabilities over the last axis, in float64, safe for large logits."""
    values = logits.astype(np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def unit_vector(vector: NDArray[Any]) -> Vector:
    """A vector (D,) scaled to length 1; a zero vector stays zero."""
    values = vector.astype(np.float64)
    length = math.sqrt(np.add.reduce(values * values))
    return (values / length if length > 0 else values).astype(np.float32)


def _check_labels(name: str, labels: Sequence[str], n_classes: int) -> None:
    if n_classes != len(labels):
        raise ModelError(
            f"{name}: the model has {n_classes} classes, its task {len(labels)} labels",
            "export the model again, with its own task",
        )


def _label(name: str, labels: Sequence[str], logits: Vector) -> Label:
    _check_labels(name, labels, len(logits))
    probabilities = softmax(logits)
    best = int(np.argmax(probabilities))
    return Label(label=labels[best], index=best, probabilities=probabilities)


def _tags(name: str, labels: Sequence[str], n_words: int, outputs: Sequence[Outputs]) -> Tags:
    """Join the pieces of a sentence; each output holds logits of first sub-words (W, C)."""
    logits = np.concatenate([output["logits"] for output in outputs])
    _check_labels(name, labels, logits.shape[-1])
    if len(logits) != n_words:
        raise ValueError(f"{name}: {len(logits)} positions for {n_words} words")
    probabilities = softmax(logits)
    best = np.argmax(probabilities, axis=-1)
    return Tags(
        tags=tuple(labels[tag] for tag in best),
        scores=np.take_along_axis(probabilities, best[:, None], axis=-1)[:, 0],
    )


def _span(
    context: str, rows: Sequence[Row], outputs: Sequence[Outputs], *, null_answer: bool
) -> Span:
    """The best answer over all windows, as run_squad finds it, but cut out by offsets.

    Ties: higher score, then earlier start, then earlier end.
    """
    found = [_candidates(row, output) for row, output in zip(rows, outputs, strict=True)]
    score, start, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
    answers: dict[str, tuple[float, int, int]] = {}
    for place in np.lexsort((end, start, -score)):
        piece = context[start[place] : end[place]]
        text = piece.strip()
        if text and text not in answers:
            first = int(start[place]) + piece.index(text)
            answers[text] = float(score[place]), first, first + len(text)
            if len(answers) == BEST:
                break
    null_score = None
    if null_answer:
        null_score = min(
            float(output["start_logits"][0]) + float(output["end_logits"][0]) for output in outputs
        )
    scores = [value for value, _, _ in answers.values()]
    if null_score is not None or not scores:
        scores.append(null_score or 0.0)
    shares = softmax(np.array(scores)).tolist()
    n_best = tuple(
        Span(text=text, start=first, end=last, score=value, probability=share)
        for (text, (value, first, last)), share in zip(answers.items(), shares, strict=False)
    )
    if n_best and (null_score is None or null_score <= n_best[0].score):
        return replace(n_best[0], n_best=n_best, null_score=null_score)
    return Span(
        text="",
        start=0,
        end=0,
        score=scores[-1],
        probability=shares[-1],
        n_best=n_best,
        null_score=null_score,
    )


def _candidates(
    row: Row, output: Outputs
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Score, start and end (code points) of the valid pairs of a window's best starts and ends."""
    assert row.offsets is not None
    assert row.best_context is not None
    starts = np.argsort(-output["start_logits"], kind="stable")[:BEST]
    ends = np.argsort(-output["end_logits"], kind="stable")[:BEST]
    starts = starts[row.best_context[starts]]
    ends = ends[row.offsets[ends, 0] >= 0]
    length = ends[None, :] - starts[:, None] + 1
    one, two = np.nonzero((length >= 1) & (length <= LONGEST_ANSWER))
    first, last = starts[one], ends[two]
    score = output["start_logits"][first].astype(np.float64) + output["end_logits"][last]
    return score, row.offsets[first, 0].astype(np.int64), row.offsets[last, 1].astype(np.int64)

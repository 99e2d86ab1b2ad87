"""Kind `pair`: a class for two texts, or for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.core.encode.rows import Row
from xlt.core.kinds.base import FloatArray, Item, Kind, Outputs, ProbeText, softmax
from xlt.core.kinds.items import check_labels, encode_texts, logits_of
from xlt.core.tasks.examples import Pair
from xlt.core.tasks.table import Task

__all__ = ["PAIR", "Label"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Label:
    """A class of a pair or text: its name, its index, and all probabilities (C,)."""

    label: str
    index: int
    probabilities: FloatArray


def _decode(
    task: Task, name: str, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Label:
    logits_C = outputs[0]["logits"]
    check_labels(name, task.labels, len(logits_C))
    probabilities = softmax(logits_C)
    best = int(np.argmax(probabilities))
    return Label(label=task.labels[best], index=best, probabilities=probabilities)


def _gold(examples: Sequence[Pair]) -> list[str | None]:
    return [example.label for example in examples]


def _answers(examples: Sequence[Pair], predictions: Sequence[Label]) -> list[str]:
    return [prediction.label for prediction in predictions]


def _constant(gold: Sequence[str], label: str) -> list[str]:
    return [label] * len(gold)


def _probe(texts: ProbeText) -> Pair:
    return Pair(id=texts.id, text_a=texts.text, text_b=texts.other)


PAIR = Kind(
    name="pair",
    record=Pair,
    gold_field="label",
    form="labels",
    metric="accuracy",
    max_length=128,
    written='"text", ("text", "second text") or {"text": ..., "text_pair": ...}',
    positions=("text_a", "text_b"),
    aliases={"text": "text_a", "text_pair": "text_b"},
    of_text=str,
    columns=("text_a", "text_b", "label", "id", "language"),
    required=("text_a",),
    auto_model="AutoModelForSequenceClassification",
    onnx_task="text-classification",
    outputs=("logits",),
    classes=True,
    least_labels=2,
    encode=encode_texts,
    cut=logits_of,
    decode=_decode,
    gold=_gold,
    answers=_answers,
    constant=_constant,
    probe=_probe,
)

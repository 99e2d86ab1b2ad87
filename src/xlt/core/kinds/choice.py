"""Kind `choice`: the best of several continuations of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.kinds.base import FloatArray, Item, Kind, Outputs, ProbeText, softmax
from xlt.core.kinds.items import check_texts, logits_of, only, refuse
from xlt.core.tasks.examples import Choice
from xlt.core.tasks.table import Task

__all__ = ["CHOICE", "Picked"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picked:
    """The chosen candidate and all probabilities (n_choices,)."""

    index: int
    probabilities: FloatArray


def _encode(encoder: Encoder, items: Sequence[Item]) -> list[Row]:
    """One row an item, with a sequence for each candidate."""
    choices = only(items, Choice)
    for index, item in enumerate(choices):
        if not item.choices:
            refuse(index, item, "no choices")
        check_texts(index, item, (item.prompt, *item.choices))
    tokens = encoder.tokenise(text for item in choices for text in (item.prompt, *item.choices))
    return [
        _stack(
            [encoder.join(index, tokens[item.prompt], tokens[text]) for text in item.choices],
            encoder.pad_id,
        )
        for index, item in enumerate(choices)
    ]


def _stack(rows: list[Row], pad_id: int) -> Row:
    """The rows of one item's choices as one row."""
    batch = pad(rows, pad_id)
    types = batch.get("token_type_ids")
    return Row(
        item=rows[0].item,
        ids=batch["input_ids"].astype(np.int32),
        types=None if types is None else types.astype(np.int32),
        truncated=any(row.truncated for row in rows),
        lengths=np.array([row.width for row in rows], np.int32),
    )


def _decode(
    task: Task, name: str, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Picked:
    probabilities = softmax(outputs[0]["logits"])
    return Picked(index=int(np.argmax(probabilities)), probabilities=probabilities)


def _gold(examples: Sequence[Choice]) -> list[str]:
    return [str(example.label) for example in examples]


def _answers(examples: Sequence[Choice], predictions: Sequence[Picked]) -> list[str]:
    return [str(prediction.index) for prediction in predictions]


def _probe(texts: ProbeText) -> Choice:
    return Choice(id=texts.id, prompt=texts.text, choices=texts.choices)


CHOICE = Kind(
    name="choice",
    record=Choice,
    gold_field="label",
    form="labels",
    metric="accuracy",
    max_length=256,
    written='("prompt", ["a", "b"]) or {"prompt": ..., "choices": [...]}',
    positions=("prompt", "choices"),
    columns=("prompt", "choices", "label", "id", "language"),
    required=("prompt", "choices"),
    auto_model="AutoModelForMultipleChoice",
    onnx_task="multiple-choice",
    outputs=("logits",),
    choices=True,
    encode=_encode,
    cut=logits_of,
    decode=_decode,
    gold=_gold,
    answers=_answers,
    probe=_probe,
)

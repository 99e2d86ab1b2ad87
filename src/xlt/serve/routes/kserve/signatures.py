"""The tensors of each kind of model in KServe v2: strings to items, predictions to arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.core.tasks.examples import Choice, Pair, Question, Tagged
from xlt.serve.limits import MAX_CHOICES
from xlt.serve.routes.kserve.tensors import TextTensor, bad_tensor

__all__ = ["SIGNATURES", "Signature"]

Arrays = dict[str, np.ndarray[Any, Any]]
Texts = dict[str, TextTensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a kind of model takes and gives.

    Attributes:
        inputs: name -> (shape with -1 for any, whether it is needed); all are BYTES.
        outputs: name -> (datatype, shape); C stands for the number of labels, D for the width.
        items: strings to items.
        arrays: predictions to output tensors.
    """

    inputs: dict[str, tuple[list[int], bool]]
    outputs: dict[str, tuple[str, list[int | str]]]
    items: Callable[[Texts], list[Any]]
    arrays: Callable[[Sequence[Any], Texts], Arrays]


def _column(texts: Texts, name: str, like: str | None = None) -> list[str]:
    """A list of strings that are not empty; (N,) and (N, 1) are the same."""
    tensor = texts[name]
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise bad_tensor(f"input {name!r} has shape {list(tensor.shape)}; [N] is needed")
    if not tensor.values or not all(tensor.values):
        raise bad_tensor(f"input {name!r} is empty, or holds an empty text")
    if like is not None and len(tensor.values) != len(texts[like].values):
        raise bad_tensor(f"inputs {like!r} and {name!r} hold different numbers of texts")
    return tensor.values


def _table(texts: Texts, name: str) -> list[list[str]]:
    """Rows of strings; empty strings at the end of a row are padding."""
    tensor = texts[name]
    n, width = tensor.shape if len(tensor.shape) == 2 else (1, tensor.shape[0])
    rows = [tensor.values[i * width : (i + 1) * width] for i in range(n)]
    for row in rows:
        while row and not row[-1]:
            row.pop()
        if not row or not all(row):
            raise bad_tensor(
                f"input {name!r}: a row is empty, or has an empty string in the middle"
            )
    if not rows:
        raise bad_tensor(f"input {name!r} is empty")
    return rows


def _pairs(texts: Texts) -> list[Any]:
    first = _column(texts, "text")
    second: Sequence[str | None] = [None] * len(first)
    if "text_pair" in texts:
        second = _column(texts, "text_pair", "text")
    return [Pair(id="", text_a=a, text_b=b) for a, b in zip(first, second, strict=True)]


def _choices(texts: Texts) -> list[Any]:
    prompts, rows = _column(texts, "prompt"), _table(texts, "choices")
    if len(prompts) != len(rows) or not all(2 <= len(row) <= MAX_CHOICES for row in rows):
        raise bad_tensor(f"input 'choices' needs a row of 2 to {MAX_CHOICES} for each prompt")
    return [Choice(id="", prompt=p, choices=tuple(r)) for p, r in zip(prompts, rows, strict=True)]


def _questions(texts: Texts) -> list[Any]:
    contexts = _column(texts, "context", "question")
    asked = _column(texts, "question")
    return [Question(id="", question=q, context=c) for q, c in zip(asked, contexts, strict=True)]


def _strings(values: Sequence[str]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _ragged(rows: Sequence[Sequence[Any]], empty: Any, dtype: Any) -> np.ndarray[Any, Any]:
    array = np.full((len(rows), max(map(len, rows))), empty, dtype=dtype)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row
    return array


def _tag_arrays(predictions: Sequence[Any], texts: Texts) -> Arrays:
    arrays = {
        "tag": _ragged([tags.tags for tags in predictions], "", object),
        "score": _ragged([tags.scores for tags in predictions], 0.0, np.float32),
    }
    if len(texts["words"].shape) == 1:
        return {name: array[0] for name, array in arrays.items()}
    return arrays


SIGNATURES: dict[str, Signature] = {
    "embed": Signature(
        inputs={"text": ([-1], True)},
        outputs={"embedding": ("FP32", [-1, "D"])},
        items=lambda texts: list(_column(texts, "text")),
        arrays=lambda predictions, texts: {"embedding": np.asarray(predictions, np.float32)},
    ),
    "pair": Signature(
        inputs={"text": ([-1], True), "text_pair": ([-1], False)},
        outputs={"label": ("BYTES", [-1]), "scores": ("FP32", [-1, "C"])},
        items=_pairs,
        arrays=lambda predictions, texts: {
            "label": _strings([label.label for label in predictions]),
            "scores": np.stack([label.probabilities for label in predictions]).astype(np.float32),
        },
    ),
    "choice": Signature(
        inputs={"prompt": ([-1], True), "choices": ([-1, -1], True)},
        outputs={"choice": ("INT64", [-1]), "scores": ("FP32", [-1, -1])},
        items=_choices,
        arrays=lambda predictions, texts: {
            "choice": np.array([picked.index for picked in predictions], np.int64),
            "scores": _ragged([picked.probabilities for picked in predictions], 0.0, np.float32),
        },
    ),
    "tag": Signature(
        inputs={"words": ([-1, -1], True)},
        outputs={"tag": ("BYTES", [-1, -1]), "score": ("FP32", [-1, -1])},
        items=lambda texts: [Tagged(id="", words=tuple(row)) for row in _table(texts, "words")],
        arrays=_tag_arrays,
    ),
    "span": Signature(
        inputs={"question": ([-1], True), "context": ([-1], True)},
        outputs={
            "answer": ("BYTES", [-1]), "start": ("INT64", [-1]), "end": ("INT64", [-1]),
            "score": ("FP32", [-1]),
        },
        items=_questions,
        arrays=lambda predictions, texts: {
            "answer": _strings([span.text for span in predictions]),
            "start": np.array([span.start for span in predictions], np.int64),
            "end": np.array([span.end for span in predictions], np.int64),
            "score": np.array([span.score for span in predictions], np.float32),
        },
    ),
}  # fmt: skip

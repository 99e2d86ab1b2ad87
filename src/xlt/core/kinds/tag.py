"""Kind `tag`: one tag a word."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.encode.windows import split_pieces
from xlt.core.encode.words import split_words
from xlt.core.kinds.base import FloatArray, Item, Kind, Outputs, ProbeText, softmax
from xlt.core.kinds.items import check_labels, check_texts, only
from xlt.core.tasks.examples import Tagged
from xlt.core.tasks.table import Task

__all__ = ["TAG", "Tags"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tags:
    """One tag a word, and the probability of each (W,)."""

    tags: tuple[str, ...]
    scores: FloatArray


def _encode(encoder: Encoder, items: Sequence[Item]) -> list[Row]:
    """Pieces of sentences; each word is tokenised alone, as XTREME does, with its word-start mark.

    XTREME keeps one more token free where a pair has a double separator (XLM-R).
    """
    sentences = only(items, Tagged)
    for index, item in enumerate(sentences):
        check_texts(index, item, item.words)
    limit = encoder.max_length - max(encoder.single.added, encoder.pair.added - 1)
    unknown = np.array([encoder.pad_id if encoder.unk_id is None else encoder.unk_id], np.int32)
    mark = encoder.word_mark
    marked = [
        [f"{mark}{word}" if place else word for place, word in enumerate(item.words)]
        for item in sentences
    ]
    tokens = {
        word: ids if 0 < len(ids) <= limit else unknown
        for word, ids in encoder.tokenise(itertools.chain.from_iterable(marked)).items()
    }
    rows = []
    for index, words in enumerate(marked):
        parts = [tokens[word] for word in words]
        for start, stop in split_pieces([len(part) for part in parts], limit):
            piece = parts[start:stop]
            counts = np.array([0, *map(len, piece)], np.int32)
            row = encoder.row(index, np.concatenate((unknown[:0], *piece)))
            places = len(encoder.single.before) + np.cumsum(counts, dtype=np.int32)[:-1]
            rows.append(replace(row, words=places.astype(np.int32), first_word=start))
    return rows


def _cut(row: Row, arrays: Outputs) -> Outputs:
    """Logits of the first sub-words (W, C)."""
    return {"logits": arrays["logits"][row.words]}


def _decode(
    task: Task, name: str, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Tags:
    """Join the pieces of a sentence; each output holds logits of first sub-words (W, C)."""
    assert isinstance(item, Tagged)
    logits = np.concatenate([output["logits"] for output in outputs])
    check_labels(name, task.labels, logits.shape[-1])
    if len(logits) != len(item.words):
        raise ValueError(f"{name}: {len(logits)} positions for {len(item.words)} words")
    probabilities = softmax(logits)
    best = np.argmax(probabilities, axis=-1)
    return Tags(
        tags=tuple(task.labels[tag] for tag in best),
        scores=np.take_along_axis(probabilities, best[:, None], axis=-1)[:, 0],
    )


def _gold(examples: Sequence[Tagged]) -> list[list[str]]:
    return [list(example.tags or ()) for example in examples]


def _answers(examples: Sequence[Tagged], predictions: Sequence[Tags]) -> list[list[str]]:
    return [list(prediction.tags) for prediction in predictions]


def _constant(gold: Sequence[Sequence[str]], label: str) -> list[list[str]]:
    return [[label] * len(tags) for tags in gold]


def _of_text(text: str) -> Tagged:
    return _of_list([word for word, _, _ in split_words(text)])


def _of_list(words: Sequence[str]) -> Tagged:
    return Tagged(id="", words=tuple(words))


def _probe(texts: ProbeText) -> Tagged:
    return Tagged(id=texts.id, words=texts.words)


TAG = Kind(
    name="tag",
    record=Tagged,
    gold_field="tags",
    form="tags",
    metric="tag_f1",
    max_length=128,
    written='"text", ["words", "of", "it"] or {"words": [...]}',
    of_text=_of_text,
    of_list=_of_list,
    columns=("words", "tags", "id", "language"),
    required=("words",),
    auto_model="AutoModelForTokenClassification",
    onnx_task="token-classification",
    outputs=("logits",),
    classes=True,
    encode=_encode,
    cut=_cut,
    decode=_decode,
    gold=_gold,
    answers=_answers,
    constant=_constant,
    probe=_probe,
)

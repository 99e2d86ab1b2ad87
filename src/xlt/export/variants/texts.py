"""What int8 graphs are calibrated on: train or dev text of many languages, never test text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.kinds.table import encode, kind_of
from xlt.core.tasks.examples import Pair, Sentence, Tagged
from xlt.core.tasks.table import TASKS, Task
from xlt.data import DataRoot
from xlt.export.gate.parity import Batch

__all__ = ["calibration_feeds"]

SHORT, LONG = 192, 8  # inputs of up to 128 tokens, and of more
LENGTH = 128
SOURCES = ("xnli", "pawsx", "panx")  # their dev files come in many languages
Feeds = Mapping[str, NDArray[Any]]


def calibration_feeds(
    batches: Sequence[Batch], task: Task, encoder: Encoder, root: DataRoot | None
) -> list[Feeds]:
    """Inputs of one row each, without padding: the gate's, and dev text of the data root.

    Args:
        batches: of the gate: our texts and dev items of the bundle's tasks.
        task: encoders take dev text of other tasks, too.
        encoder: of the bundle.
        root: the data root, where there is one.
    """
    feeds = [one for batch in batches for one in _rows(batch)]
    if root is not None and kind_of(task).vectors:
        texts = [Sentence(id=str(n), text=text) for n, text in enumerate(_dev_texts(root))]
        feeds += [
            pad([row], encoder.pad_id)
            for row in encode(encoder, task.kind, texts)
            if isinstance(row, Row)
        ]
    short = [one for one in feeds if one["input_ids"].shape[-1] <= LENGTH]
    long = [one for one in feeds if one["input_ids"].shape[-1] > LENGTH]
    chosen = [*_spread(short, SHORT), *_spread(long, LONG)]
    return [{"token_type_ids": np.zeros_like(one["input_ids"]), **one} for one in chosen]


def _rows(batch: Batch) -> Iterator[Feeds]:
    mask = batch.feeds["attention_mask"]
    for row in range(len(mask)):
        width = int(mask[row].sum(-1).max())
        yield {name: array[row : row + 1, ..., :width] for name, array in batch.feeds.items()}


def _spread(feeds: Sequence[Feeds], most: int) -> list[Feeds]:
    places = np.unique(np.linspace(0, len(feeds) - 1, min(most, len(feeds))).astype(int))
    return [feeds[place] for place in places]


def _dev_texts(root: DataRoot) -> Iterator[str]:
    """Dev text of tasks that come in many languages, the same number from each file."""
    sets = [(TASKS[name], lang) for name in SOURCES for lang in root.langs(TASKS[name], "dev")]
    share = max(1, SHORT // max(1, len(sets)))
    for task, lang in sets:
        examples = root.read(task, lang, "dev").examples
        for one in examples[:: max(1, len(examples) // share)][:share]:
            if isinstance(one, Pair):
                yield one.text_a
            elif isinstance(one, Tagged):
                yield " ".join(one.words)

"""Kind `embed`: sentence vectors of the encoder; no head, nothing trains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlt.core.encode.rows import Row
from xlt.core.kinds.base import Item, Kind, Outputs, ProbeText, Vector
from xlt.core.kinds.items import encode_texts
from xlt.core.retrieval.unit import unit_vector
from xlt.core.tasks.examples import Sentence
from xlt.core.tasks.table import Task

__all__ = ["EMBED", "SENTENCE", "TOKEN_VECTORS", "pooled"]

SENTENCE = "sentence_embedding"
TOKEN_VECTORS = ("last_hidden_state", "token_embeddings")  # optimum's names


def pooled(arrays: Outputs, width: int, pooling: str | None) -> Vector:
    """The sentence's vector (D,), pooled over its own tokens where the graph has not done so.

    Args:
        arrays: one row's outputs.
        width: tokens of the row without padding.
        pooling: mean, cls, last or weightedmean (the n-th token counts n times).
    """
    if SENTENCE in arrays:
        return arrays[SENTENCE].astype(np.float32, copy=False)
    hidden_LD: Vector = next(iter(arrays.values()))[:width]
    if pooling == "mean":
        vector: Vector = hidden_LD.mean(axis=0, dtype=np.float64)
    elif pooling == "weightedmean":
        place_L = np.arange(1, len(hidden_LD) + 1, dtype=np.float64)
        vector = (place_L[:, None] * hidden_LD).sum(axis=0) / place_L.sum()
    else:
        vector = hidden_LD[0 if pooling == "cls" else -1]
    return vector.astype(np.float32)


def _decode(
    task: Task, name: str, item: Item, rows: Sequence[Row], outputs: Sequence[Outputs]
) -> Vector:
    """The sentence's vector (D,) scaled to length 1; vectors of tokens (L, D) as they are."""
    if TOKEN_VECTORS[0] in outputs[0]:
        return outputs[0][TOKEN_VECTORS[0]]
    return unit_vector(outputs[0][SENTENCE])


def _probe(texts: ProbeText) -> Sentence:
    return Sentence(id=texts.id, text=texts.text)


EMBED = Kind(
    name="embed",
    record=Sentence,
    max_length=512,
    written='"text" or {"text": ...}',
    of_text=str,
    columns=("foreign", "english", "language"),
    required=("foreign", "english"),
    onnx_task="feature-extraction",
    outputs=(SENTENCE,),
    vectors=True,
    untrained="is answered by the encoder",
    encode=encode_texts,
    decode=_decode,
    probe=_probe,
)

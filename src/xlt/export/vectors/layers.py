"""Hidden states of every block from one pass, pooled to one vector a text and block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import pad
from xlt.core.inference.batch import plan
from xlt.core.kinds.embed import pooled
from xlt.core.kinds.table import encode

__all__ = ["block_vectors"]

BATCH_TOKENS = 1024
Vectors = NDArray[np.float32]


def block_vectors(
    model: nn.Module,
    encoder: Encoder,
    texts: Sequence[str],
    *,
    blocks: Sequence[int],
    depth: int,
    pooling: str,
    inputs: Sequence[str],
) -> dict[int, Vectors]:
    """Pooled vectors of texts at several blocks; nothing is computed twice.

    Args:
        model: the whole encoder, in eval mode.
        encoder: its tokenizer.
        texts: what to read.
        blocks: the K of hidden_states[K]; `depth` stands for `last_hidden_state`.
        depth: blocks of the model.
        pooling: mean, cls, last or weightedmean.
        inputs: names of the model's inputs.

    Returns:
        Block -> float32 (N, D), not scaled.
    """
    rows = encode(encoder, "embed", texts)
    found: dict[int, list[Any]] = {block: [None] * len(rows) for block in blocks}
    with torch.inference_mode():
        for batch in plan([row.width for row in rows], max_tokens=BATCH_TOKENS):
            feeds = pad([rows[i] for i in batch], encoder.pad_id)
            given = {name: torch.from_numpy(feeds[name]) for name in inputs if name in feeds}
            out = model(**given, output_hidden_states=any(block < depth for block in blocks))
            for block in blocks:
                hidden = out.last_hidden_state if block == depth else out.hidden_states[block]
                for place, index in enumerate(batch):
                    width = rows[index].width
                    found[block][index] = pooled({"": hidden[place].numpy()}, width, pooling)
    return {block: np.stack(vectors) for block, vectors in found.items()}

"""A job whose block is to be chosen or whose mean is to be fitted, made definite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from xlt.core.encode.encoder import Encoder
from xlt.core.inference.head import Head
from xlt.data import DataRoot
from xlt.export.checkpoint.sentence import DenseSettings
from xlt.export.plan import Job
from xlt.export.vectors.center import fit_center, fit_texts
from xlt.export.vectors.layers import block_vectors
from xlt.export.vectors.sweep import sweep, sweep_pairs

__all__ = ["fit_job"]


def fit_job(
    job: Job,
    head: Head,
    *,
    model: nn.Module,
    encoder: Encoder,
    inputs: Sequence[str],
    root: DataRoot,
) -> tuple[Job, Head]:
    """The job with its block chosen and its mean fitted, as its flags ask.

    Args:
        job: of a sentence encoder.
        head: what follows the pooling so far.
        model: the whole encoder, in eval mode.
        encoder: its tokenizer.
        inputs: names of the model's inputs.
        root: text to choose and fit on.

    Raises:
        DataError: the root lacks such text.
    """
    depth, pooling = job.checkpoint.depth, str(job.pooling)

    def vectors(texts: Sequence[str], blocks: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        prompted = [job.prompts.get(job.default_prompt or "", "") + text for text in texts]
        return block_vectors(
            model, encoder, prompted, blocks=blocks, depth=depth, pooling=pooling, inputs=inputs
        )

    lineage: dict[str, Any] = dict(job.lineage)
    if job.sweep:
        blocks = range(1, depth + 1)
        best, lineage["layer_sweep"] = sweep(sweep_pairs(root), lambda t: vectors(t, blocks))
        job = replace(job, layer=best)
    if job.post == "center":
        block = int(job.layer or 0)
        fitted = fit_texts(root)

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            return np.stack([head(vector) for vector in vectors(texts, [block])[block]])

        layer = fit_center(fitted, embed)
        width = len(layer.bias_O)
        step = DenseSettings(path="", inputs=width, outputs=width, activation="identity")
        head = Head(steps=(*head.steps, layer))
        job = replace(job, steps=(*job.steps, step))
        lineage["post"] = {"kind": "center", "fitted_on": fitted.record()}
    return replace(job, lineage=lineage), head

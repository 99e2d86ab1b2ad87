"""What the activations of a graph look like: column maxima and sample rows, from real text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from xlt.core.inference.session import Session

__all__ = ["Seen", "observe"]

ROWS = 1024  # kept of every tensor
Feeds = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One activation: the largest magnitude of each column (K,), and rows of it (R, K)."""

    largest: NDArray[np.float32]
    sample: NDArray[np.float32]


def observe(path: Path, tensors: Sequence[str], feeds: Sequence[Feeds]) -> dict[str, Seen]:
    """Run a graph on texts and look at tensors inside it.

    Each input gives the same number of rows, evenly spaced over its tokens, at most 1,024 in all.

    Args:
        path: the fp32 graph. A second file is written beside it for the time of the run.
        tensors: names of activations (..., K).
        feeds: inputs without padding; one a text.

    Raises:
        ModelError: the graph cannot be run.
    """
    model = onnx.load(str(path), load_external_data=False)
    have = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in tensors if name not in have
    )
    watched = path.with_name(f"{path.name}.watched")
    watched.write_bytes(model.SerializeToString())
    try:
        session = Session(watched, device="cpu")
        share = max(1, ROWS // max(1, len(feeds)))
        largest: dict[str, NDArray[np.float32]] = {}
        rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in tensors}
        for one in feeds:
            for name, array in zip(tensors, session.run(one, tensors), strict=True):
                flat_RK = array.reshape(-1, array.shape[-1])
                top_K = np.abs(flat_RK).max(axis=0)
                largest[name] = np.maximum(largest[name], top_K) if name in largest else top_K
                places = np.unique(np.linspace(0, len(flat_RK) - 1, share).astype(int))
                rows[name].append(flat_RK[places].astype(np.float32))
    finally:
        watched.unlink()
    return {
        name: Seen(largest=largest[name], sample=np.concatenate(rows[name])[:ROWS])
        for name in tensors
    }

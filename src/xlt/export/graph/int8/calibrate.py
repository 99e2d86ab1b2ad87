"""What the activations of a graph look like, from real text: maxima, sample rows, products."""

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
TOGETHER = 1024  # rows that are multiplied at once
Feeds = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One activation.

    Attributes:
        largest: the largest magnitude of each column (K,).
        sample: rows of it (R, K).
        gram: products of its columns (K, K), summed over every row there was.
    """

    largest: NDArray[np.float32]
    sample: NDArray[np.float32]
    gram: NDArray[np.float32]

    def divided(self, factor_K: NDArray[np.float32]) -> Seen:
        """The same when each column is divided by a number."""
        return Seen(
            largest=self.largest / factor_K,
            sample=self.sample / factor_K,
            gram=self.gram / factor_K / factor_K[:, None],
        )


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
    watched = path.with_name(f"{path.name}.watched")
    _write_watched(path, tensors, watched)
    share = max(1, ROWS // max(1, len(feeds)))
    notes = {name: _Notes(share) for name in tensors}
    try:
        session = Session(watched, device="cpu")
        for one in feeds:
            for name, array in zip(tensors, session.run(one, tensors), strict=True):
                notes[name].add(array.reshape(-1, array.shape[-1]))
    finally:
        watched.unlink()
    return {name: note.seen() for name, note in notes.items()}


def _write_watched(path: Path, tensors: Sequence[str], watched: Path) -> None:
    """The graph with more outputs; its weights are in memory for the time of writing alone."""
    model = onnx.load(str(path), load_external_data=False)
    have = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in tensors if name not in have
    )
    watched.write_bytes(model.SerializeToString())


class _Notes:
    """What is known of one tensor so far; `share` rows of every input are kept."""

    def __init__(self, share: int) -> None:
        self.share = share
        self.rows: list[NDArray[np.float32]] = []
        self.waiting: list[NDArray[np.float32]] = []  # few large products are quicker than many
        self.largest: NDArray[np.float32] = np.zeros(1, np.float32)
        self.gram: NDArray[np.float32] = np.zeros(1, np.float32)

    def add(self, flat_RK: NDArray[np.float32]) -> None:
        self.largest = np.maximum(self.largest, np.abs(flat_RK).max(axis=0))
        places = np.unique(np.linspace(0, len(flat_RK) - 1, self.share).astype(int))
        self.rows.append(flat_RK[places])
        self.waiting.append(flat_RK)
        if sum(map(len, self.waiting)) >= TOGETHER:
            self._multiply()

    def _multiply(self) -> None:
        if self.waiting:
            flat_RK = np.concatenate(self.waiting)
            self.gram = self.gram + flat_RK.T @ flat_RK
            self.waiting = []

    def seen(self) -> Seen:
        self._multiply()
        return Seen(largest=self.largest, sample=np.concatenate(self.rows)[:ROWS], gram=self.gram)

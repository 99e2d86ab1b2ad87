"""One loaded model: its engine, its pace and its health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xlt.core.artifacts.bundle import Bundle
from xlt.core.encode.encoder import Row
from xlt.core.inference.engine import Engine
from xlt.core.inference.probe import plain_item
from xlt.core.kinds.table import encode
from xlt.core.tasks.table import KindName
from xlt.serve.compute.lanes import Pace
from xlt.serve.compute.sources import Source
from xlt.serve.compute.vitals import Vitals, is_finite

__all__ = ["Served"]


@dataclass(eq=False, slots=True)
class Served:
    """One loaded model.

    Attributes:
        pace: as the warm-up measured it.
        dimensions: of the vectors of an embedder.
        by_token: the same embedder as a giver of token vectors; None where its graph has none.
        device_lock: held while anything computes on the device.
        vitals: whether it still answers.
    """

    source: Source
    engine: Engine
    device_lock: threading.Lock
    vitals: Vitals
    pace: Pace = field(default_factory=Pace)
    dimensions: int | None = None
    by_token: Served | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.source.name

    @property
    def bundle(self) -> Bundle:
        """What it was opened from."""
        return self.engine.bundle

    @property
    def kind(self) -> KindName:
        """pair, choice, tag, span or embed."""
        return self.engine.bundle.task.kind

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.engine.bundle.task.name

    @property
    def cut_to(self) -> list[int]:
        """Dimensions that the bundle declares its vectors can be cut to (Matryoshka)."""
        declared: list[int] = self.bundle.manifest.get("dimensions") or []
        return declared

    def encoder_for(
        self, truncate: str | None, items: Sequence[Any]
    ) -> Callable[[], Sequence[Row]]:
        """What makes the rows of items, cutting long texts at the side asked for."""
        if truncate in (None, "error"):
            return lambda: self.engine.encode_rows(items)
        encoder = replace(self.engine.encoder, keep_left=truncate == "right")
        return lambda: encode(encoder, self.kind, items)

    def check(self) -> None:
        """Find out whether it answers again; for a model that has failed."""
        self.vitals.check(self.trial)

    def trial(self) -> Sequence[Any]:
        """Compute and decode a made-up item.

        Returns:
            The outputs; decoded only where they are finite.

        Raises:
            Exception: whatever is wrong with the model.
        """
        item = plain_item(self.bundle.task)
        rows = self.engine.encode_rows([item])
        outputs = self.run(rows)
        if is_finite(outputs):
            self.engine.decode([item], rows, outputs)
        return outputs

    def run(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Outputs of rows, one batch, one at a time on the device."""
        with self.device_lock:
            return self.engine.run_batch(rows)

"""Sentence vectors of a bundle: every distinct text is encoded once, over all languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xlt.core.show.terminal import Tick

__all__ = ["Embeds", "TextVectors"]

KEPT_BYTES = 256 << 20


class Embeds(Protocol):
    """What makes vectors of texts: an engine of an embed bundle, or several behind one call."""

    def embed(self, texts: Sequence[str], *, tick: Tick | None = None) -> NDArray[np.float32]:
        """Vectors (N, D) of length 1, in the order of the texts."""
        ...


class TextVectors:
    """Encodes texts with one engine and remembers the vectors, up to a stated size.

    Tatoeba's English sides repeat over the languages, and mining collections repeat lines.

    Args:
        engine: of an embed bundle.
        kept_bytes: what may be remembered; later texts are encoded again when they come back.
    """

    def __init__(self, engine: Embeds, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._engine = engine
        self._kept_bytes = kept_bytes
        self._rows: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], tick: Tick) -> NDArray[np.float32]:
        """Vectors in the order of the texts.

        Returns:
            float32 (N, D), L2-normalised rows.
        """
        unknown = list(dict.fromkeys(text for text in texts if text not in self._rows))
        tick(len(texts) - len(unknown))
        fresh = self._engine.embed(unknown, tick=tick) if unknown else None
        found = fresh if fresh is not None and len(unknown) == len(texts) else None
        if found is None:
            place = {text: index for index, text in enumerate(unknown)}
            rows = [
                self._rows[text] if fresh is None or text not in place else fresh[place[text]]
                for text in texts
            ]
            found = np.stack(rows)
        if fresh is not None:
            room = self._kept_bytes // max(1, fresh[0].nbytes) - len(self._rows)
            for text, row in zip(unknown[: max(0, room)], fresh, strict=False):
                self._rows[text] = row.copy()
        return found

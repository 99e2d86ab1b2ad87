"""Vectors of a file's texts in a work folder: slices that are finished survive any kill.

A slice is appended and flushed to disk, then named with its hash in the journal; what the journal
does not name, or names with another hash, is computed again. The key in the journal covers all
that the vectors depend on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError, ModelError
from xlt.core.files import read_json, write_error, write_json
from xlt.core.show import terminal as show
from xlt.core.show.terminal import Tick
from xlt.evalsuite.mine.texts import Texts

__all__ = ["SLICE", "Embed", "embed_texts"]

SLICE = 4096  # texts that are encoded together: memory against padding
VALUE = np.dtype("<f4")

Embed = Callable[[Sequence[str], Tick], NDArray[np.float32]]


def embed_texts(
    texts: Texts, embed: Embed, folder: Path, name: str, key: str, *, slice_size: int = SLICE
) -> NDArray[np.float32]:
    """Vectors of all distinct texts, those that are missing computed.

    Args:
        texts: what is encoded.
        embed: (texts, tick) -> float32 (N, D).
        folder: the work folder.
        name: of the side; its files are `name.f32` and `name.json`.
        key: hash over all that the vectors depend on.
        slice_size: texts that are encoded together.

    Returns:
        float32 (M, D), mapped from the file.

    Raises:
        ModelError: the model fails, or the width of its vectors changes.
        UsageError: the folder cannot be written, the disk is full.
    """
    store = _Store(folder, name, [key, len(texts), slice_size])
    done = min(len(store.hashes) * slice_size, len(texts))
    with show.progress(f"{name}: {texts.path.name}", len(texts), "texts", done=done) as tick:
        while done < len(texts):
            stop = min(done + slice_size, len(texts))
            store.append(embed(texts.slice(done, stop), tick))
            done = stop
    return np.memmap(store.path, dtype=VALUE, mode="r", shape=(len(texts), store.width))


class _Store:
    """The file of vectors and its journal."""

    def __init__(self, folder: Path, name: str, key: list[Any]) -> None:
        self.path, self.journal = folder / f"{name}.f32", folder / f"{name}.json"
        self.key = key
        self.width = 0
        self.sizes: list[int] = []
        self.hashes: list[str] = []
        found = self._former()
        if found is not None:
            self.width, self.sizes, self.hashes = found
        else:
            self.path.unlink(missing_ok=True)

    def append(self, vec_ND: NDArray[np.float32]) -> None:
        """Write a slice, then name it."""
        if self.width and vec_ND.shape[1] != self.width:
            raise ModelError(
                f"vectors of {vec_ND.shape[1]} numbers after vectors of {self.width}",
                "export the model again",
            )
        self.width = vec_ND.shape[1]
        data = np.ascontiguousarray(vec_ND, dtype=VALUE).tobytes()
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
                stream.seek(sum(self.sizes))
                stream.write(data)
                stream.truncate()
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error
        self.sizes.append(len(data))
        self.hashes.append(hashlib.sha256(data).hexdigest())
        write_json(self.journal, {"key": self.key, "width": self.width,
                                  "sizes": self.sizes, "sha256": self.hashes})  # fmt: skip

    def _former(self) -> tuple[int, list[int], list[str]] | None:
        """What an earlier call finished: its slices up to the first that is not as it was."""
        try:
            record = read_json(self.journal)
            if record["key"] != self.key:
                return None
            width, sizes, hashes = int(record["width"]), record["sizes"], record["sha256"]
            whole = 0
            with self.path.open("rb") as stream:
                for size, digest in zip(sizes, hashes, strict=True):
                    if hashlib.sha256(stream.read(size)).hexdigest() != digest:
                        break
                    whole += 1
        except (DataError, OSError, KeyError, TypeError, ValueError):
            return None
        return (width, sizes[:whole], hashes[:whole]) if whole else None

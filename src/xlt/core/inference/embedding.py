"""Vectors of any number of texts: a slice at a time, each distinct text once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from typing import Protocol

import numpy as np

from xlt.core.encode.rows import Row
from xlt.core.errors import DataError
from xlt.core.inference import answer
from xlt.core.kinds.base import Item, Outputs, Vector
from xlt.core.kinds.embed import SENTENCE
from xlt.core.retrieval.unit import each_unit
from xlt.core.show.terminal import Tick

__all__ = ["embed"]

EMBED_AT_ONCE = 8192  # texts: what is in memory besides their vectors


class Run(Protocol):
    """Rows to raw outputs, in the order of the rows."""

    def __call__(self, rows: Sequence[Row], *, tick: Tick | None = None) -> list[Outputs]:
        """See `Engine.run`."""
        ...


def embed(
    texts: Iterable[Item],
    rows_of: Callable[[Sequence[Item]], list[Row]],
    run: Run,
    *,
    tick: Tick | None,
    out: Vector | None,
    ahead: bool = False,
) -> Vector:
    """Vectors (N, D) as `Engine.embed` describes them.

    Args:
        texts: any number; without `out` a sequence, or they are gathered first.
        rows_of: one row of each text.
        run: rows to outputs.
        tick: called with the number of texts just finished.
        out: where the vectors go.
        ahead: whether the next texts are tokenised while a GPU computes those before.

    Raises:
        DataError: `out` has no place for a vector.
        ModelError: an output is not finite.
    """
    if out is None and not isinstance(texts, Sequence):
        texts = list(texts)
    size = len(texts) if isinstance(texts, Sequence) else None
    first: dict[bytes, int] = {}
    start = 0
    for part, rows in _encoded(iter(texts), rows_of, ahead):
        keys = [blake2b(row.ids.tobytes(), digest_size=16).digest() for row in rows]
        same_as = [first.setdefault(key, start + i) for i, key in enumerate(keys)]
        fresh = [i for i, other in enumerate(same_as) if other == start + i]
        if tick is not None:
            tick(len(rows) - len(fresh))
        outputs = run([rows[i] for i in fresh], tick=tick)
        if outputs:
            vec_FD = np.stack([output[SENTENCE] for output in outputs])
            if not np.isfinite(vec_FD).all():
                for i, output in zip(fresh, outputs, strict=True):
                    answer.check_finite(start + i, part[i], [output])
            if out is None:
                out = np.empty((size or 0, vec_FD.shape[1]), np.float32)
            _check_place(out, start, fresh, vec_FD)
            out[[start + i for i in fresh]] = each_unit(vec_FD)
        if out is not None:
            out[start : start + len(part)] = out[same_as]
        start += len(part)
    return np.zeros((0, 0), np.float32) if out is None else out


def _encoded(
    texts: Iterator[Item], rows_of: Callable[[Sequence[Item]], list[Row]], ahead: bool
) -> Iterator[tuple[list[Item], list[Row]]]:
    """Slices of the texts and their rows; `ahead`, those of the next one are made meanwhile."""
    slices = iter(lambda: list(itertools.islice(texts, EMBED_AT_ONCE)), [])
    if not ahead:
        yield from ((part, rows_of(part)) for part in slices)
        return
    with ThreadPoolExecutor(1) as beside:
        waiting: list[tuple[list[Item], Future[list[Row]]]] = []
        for part in slices:
            waiting.append((part, beside.submit(rows_of, part)))
            if len(waiting) > 1:
                first, made = waiting.pop(0)
                yield first, made.result()
        for part, made in waiting:
            yield part, made.result()


def _check_place(out: Vector, start: int, fresh: Sequence[int], vec_FD: Vector) -> None:
    """Refuse vectors that `out` has no row for, or whose width is not its own."""
    for i in fresh:
        if start + i >= len(out) or out.shape[1:] != vec_FD.shape[1:]:
            raise DataError(
                f"vector {start + i} of shape {vec_FD.shape[1:]} has no place in an array of "
                f"shape {out.shape}",
                "give an array with one row a text, as wide as the model's vectors",
            )

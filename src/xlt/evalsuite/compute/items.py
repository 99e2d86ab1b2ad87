"""The items of a scored cell: a hash of each, and what it adds to the score.

Two evaluations are compared on the items that both have, whatever files they come from.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.files import sha256_json, write_atomic
from xlt.core.metrics.counts import Counts
from xlt.core.stats.items import Items, Rows, read_items
from xlt.data import DataSet

__all__ = ["Items", "items_of", "read_items", "write_items"]

HEX_DIGITS = 16  # of a hash: 64 bits


def items_of(data: DataSet, counts_NS: Counts | None, rows: Rows | None = None) -> Items:
    """The items of a labelled set.

    Args:
        data: a retrieval set is one item, for what is found depends on the whole collection.
        counts_NS: a row for each example; None for retrieval.
        rows: what intervals and tests are made of.
    """
    if data.bitext is not None or counts_NS is None:
        return Items(hashes=_hashes([asdict(data)["bitext"]]), counts=np.zeros((1, 0)), rows=rows)
    return Items(hashes=_hashes(_contents(data)), counts=counts_NS, rows=rows)


def _contents(data: DataSet) -> Iterator[Any]:
    for example in data.examples:
        content = asdict(example)
        del content["id"]
        content.pop("paragraph", None)
        yield [type(example).__name__, content]


def _hashes(contents: Iterable[Any]) -> NDArray[np.uint64]:
    seen: Counter[str] = Counter()
    found = []
    for content in contents:
        digest = sha256_json(content)
        seen[digest] += 1
        found.append(int(sha256_json([digest, seen[digest]])[:HEX_DIGITS], 16))
    return np.array(found, dtype=np.uint64)


def write_items(path: Path, items: Items) -> None:
    """Write the items; equal items give equal bytes."""
    stream = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {"hashes": items.hashes, "counts": items.counts}
    if items.rows is not None:
        arrays["clusters"] = items.rows.clusters
        if not items.counts.shape[1]:
            arrays["rows"] = items.rows.counts
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    write_atomic(path, stream.getvalue())

"""The items of a scored cell: a hash of each, and what it adds to the score.

Two evaluations are compared on the items that both have, whatever files they come from.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.files import sha256_json, write_atomic
from xlt.core.metrics.counts import Counts
from xlt.data import DataSet
from xlt.evalsuite.compute.rows import Rows

__all__ = ["Items", "items_of", "read_items", "write_items"]

HEX_DIGITS = 16  # of a hash: 64 bits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Items:
    """The items of one cell, in the order of its file.

    Attributes:
        hashes: (N,), of inputs and gold, not of ids; equal items differ by how often they came
            before.
        counts: (N, S), the counts behind the metric; no columns where one item is a whole
            collection.
        rows: the counts with their clusters; of a collection, one row a query or pair. None in
            files of earlier versions.
    """

    hashes: NDArray[np.uint64]
    counts: Counts
    rows: Rows | None = None


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


def read_items(path: Path) -> Items:
    """Read what `write_items` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            counts = arrays["counts"]
            rows = None
            if "clusters" in arrays:
                behind = arrays.get("rows", counts)
                rows = Rows(counts=behind, clusters=arrays["clusters"])
            return Items(hashes=arrays["hashes"], counts=counts, rows=rows)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: the items of this cell cannot be read ({error})", "run `xlt eval` again"
        ) from error

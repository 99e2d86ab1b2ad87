"""The items of one evaluated cell as a file: a hash of each, its counts, its cluster.

`xlt eval` writes them beside its results; comparisons, reports and studies read them. A file says
nothing about texts. Letters of shapes: N items, S counts of a score, G clusters.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.stats.clusters import Sums, cluster_sums

__all__ = ["Items", "Rows", "read_items"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The rows behind a score.

    Attributes:
        counts: counts_NS.
        clusters: the cluster of each row, a number.
    """

    counts: Sums
    clusters: NDArray[np.uint64]

    def sums(self) -> tuple[list[int], Sums]:
        """Clusters in the order in which they occur, and their sums_GS."""
        names, sums_GS = cluster_sums(self.counts, self.clusters.tolist())
        return [int(str(name)) for name in names], sums_GS


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
    counts: Sums
    rows: Rows | None = None


def read_items(path: Path) -> Items:
    """Read the items that `xlt eval` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
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

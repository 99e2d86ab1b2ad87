"""Exact nearest neighbours by inner product: blocked matrix products with a running top k.

Memory beyond inputs and results is a few blocks of `ROWS` x `COLUMNS` similarities. Neighbours
come best first; of equal similarities the lower index wins. A matrix product may round equal rows
differently at different places (OpenBLAS's kernels do), so similarities that lie as close as that
are taken again, pair by pair, before they are compared: equal rows tie wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError, UsageError
from xlt.core.retrieval.unit import squared_norms

__all__ = [
    "COLUMNS",
    "ROWS",
    "Neighbours",
    "nearest",
    "nearest_both",
    "nearest_l2",
]

Array = NDArray[Any]
Floats = NDArray[np.float64]
Neighbours = tuple[Array, NDArray[np.int64]]

ROWS = 1024
COLUMNS = 4096
GRAIN = 64  # blocks are padded to a multiple of this, so that products are of few shapes
GROUPS = 128  # of an item's similarities in a block: their maxima bound its k-th best


def nearest(x_ND: Array, y_MD: Array, k: int) -> Neighbours:
    """The `k` rows of y with the highest inner product, for each row of x.

    Args:
        x_ND: queries.
        y_MD: what is searched, of the same width. The product is taken in float32, or in float64
            when one side is float64.
        k: how many neighbours; at most all rows of y are returned.

    Returns:
        (similarity_NK, index_NK), best first.

    Raises:
        DataError: y is empty, widths differ, or a value is not finite.
        UsageError: k is below 1.
    """
    squared_N, squared_M = _check(x_ND, y_MD, k)
    forward = _Best(x_ND, y_MD, k, squared_N, squared_M)
    for row, column, sim_BC in _blocks(x_ND, y_MD):
        forward.update(sim_BC, axis=1, first=row, first_neighbour=column)
    return forward.result


def nearest_both(
    x_ND: Array, y_MD: Array, k: int, *, tick: Callable[[int], None] | None = None
) -> tuple[Neighbours, Neighbours]:
    """Neighbours of x in y and of y in x, from one pass over the similarities.

    Args:
        x_ND: one side.
        y_MD: the other.
        k: how many neighbours; at most all rows of the other side are returned.
        tick: called with the number of rows of x just compared with all of y.

    Returns:
        ((similarity_NK, index_NK), (similarity_MK, index_MK)), best first.

    Raises:
        DataError: as `nearest`, for both sides.
    """
    squared_N, squared_M = _check(x_ND, y_MD, k)
    _check_any(x_ND)
    forward = _Best(x_ND, y_MD, k, squared_N, squared_M)
    backward = _Best(y_MD, x_ND, k, squared_M, squared_N)
    for row, column, sim_BC in _blocks(x_ND, y_MD):
        forward.update(sim_BC, axis=1, first=row, first_neighbour=column)
        backward.update(sim_BC, axis=0, first=column, first_neighbour=row)
        if tick is not None and column + sim_BC.shape[1] == len(y_MD):
            tick(len(sim_BC))
    return forward.result, backward.result


def nearest_l2(x_ND: Array, y_MD: Array, k: int) -> Neighbours:
    """The `k` rows of y with the smallest squared distance, nearest first, in float64.

    They have the highest x.y - |y|^2 / 2: an inner product with one column more. Rows of both
    sides are copied.

    Returns:
        (squared distance_NK, index_NK).

    Raises:
        DataError, UsageError: as `nearest`.
    """
    squared_N1, half_M1 = squared_norms(x_ND)[:, None], squared_norms(y_MD)[:, None] / 2
    ones_N1 = np.ones((len(x_ND), 1))
    value_NK, index_NK = nearest(np.hstack([x_ND, ones_N1]), np.hstack([y_MD, -half_M1]), k)
    return np.maximum(squared_N1 - 2 * value_NK, 0), index_NK


def _check(x_ND: Array, y_MD: Array, k: int) -> tuple[Floats, Floats]:
    """Squared lengths of the rows of both sides, which must fit."""
    if k < 1:
        raise UsageError(f"k is {k}", "at least one neighbour is needed")
    squared_N = squared_norms(x_ND)
    if x_ND.shape[1:] != y_MD.shape[1:]:
        raise DataError(
            f"embeddings of shapes {x_ND.shape} and {y_MD.shape}", "embed both with one model"
        )
    _check_any(y_MD)
    return squared_N, squared_norms(y_MD)


def _check_any(vec_ND: Array) -> None:
    if not len(vec_ND):
        raise DataError("nothing to search: there are no embeddings", "is the text file empty?")


def _blocks(x_ND: Array, y_MD: Array) -> Iterator[tuple[int, int, Array]]:
    """(first row, first column, similarities) of every block; the array is used again."""
    dtype = np.result_type(x_ND, y_MD, np.float32)
    rows, columns = _even(len(x_ND), ROWS), _even(len(y_MD), COLUMNS)
    sim_BC = np.empty((rows, columns), dtype=dtype)
    for row in range(0, len(x_ND), rows):
        x_BD = _padded(x_ND[row : row + rows], rows, dtype)
        for column in range(0, len(y_MD), columns):
            y_CD = _padded(y_MD[column : column + columns], columns, dtype)
            np.matmul(x_BD, y_CD.T, out=sim_BC)
            yield row, column, sim_BC[: len(x_ND) - row, : len(y_MD) - column]


def _even(n: int, limit: int) -> int:
    """A block size that cuts n items into equal blocks of at most `limit`."""
    blocks = max(1, -(-n // limit))
    return max(GRAIN, -(-n // (blocks * GRAIN)) * GRAIN)


def _padded(vec_ND: Array, n: int, dtype: np.dtype[Any]) -> Array:
    """The rows, contiguous and of `dtype`, followed by zero rows up to n."""
    missing = n - len(vec_ND)
    rows_ND = np.ascontiguousarray(vec_ND, dtype=dtype)
    return np.pad(rows_ND, ((0, missing), (0, 0))) if missing else rows_ND


class _Best:
    """The best k neighbours of all items so far; blocks must come with ascending neighbours.

    Args:
        item_ND: the items.
        other_MD: where their neighbours are.
        k: how many.
        squared_N, squared_M: squared lengths of both.
    """

    def __init__(
        self, item_ND: Array, other_MD: Array, k: int, squared_N: Floats, squared_M: Floats
    ) -> None:
        self.k = min(k, len(other_MD))
        self.item_ND, self.other_MD = item_ND, other_MD
        self.dtype = np.result_type(item_ND, other_MD, np.float32)
        # how far two roundings of one inner product can lie apart
        width = max(1, item_ND.shape[1])
        unit = 4 * float(np.finfo(self.dtype).eps) * width**0.5
        self.slack_N = unit * float(np.sqrt(squared_M.max(initial=0))) * np.sqrt(squared_N)
        self.similarity_NK = np.full((len(item_ND), self.k), -np.inf)
        self.index_NK = np.full((len(item_ND), self.k), -1, dtype=np.int64)
        self._passing = np.empty(0, dtype=np.bool_)

    @property
    def result(self) -> Neighbours:
        """(similarity_NK, index_NK), best first."""
        return self.similarity_NK, self.index_NK

    def update(self, sim_BC: Array, *, axis: int, first: int, first_neighbour: int) -> None:
        """Take in a block of similarities.

        Args:
            sim_BC: one block; axis 1 runs over the neighbours of its rows, axis 0 of its columns.
            axis: which of the two.
            first: the block's first item.
            first_neighbour: the block's first neighbour.
        """
        items = slice(first, first + sim_BC.shape[1 - axis])
        known = self.similarity_NK[items, -1]
        slack = self.slack_N[items]
        floor = (known - slack).astype(sim_BC.dtype)
        if not np.isfinite(known).all():  # nothing is known of them yet
            reached = (_kth_maximum(sim_BC, axis, self.k) - slack).astype(sim_BC.dtype)
            floor = np.maximum(floor, np.nextafter(reached, sim_BC.dtype.type(-np.inf)))
        if self._passing.size < sim_BC.size:
            self._passing = np.empty(sim_BC.size, dtype=np.bool_)
        passing_BC = self._passing[: sim_BC.size].reshape(sim_BC.shape)
        np.greater(sim_BC, np.expand_dims(floor, axis), out=passing_BC)
        hits = np.flatnonzero(passing_BC)
        if len(hits):
            places = np.divmod(hits, sim_BC.shape[1])
            self._merge(places[1 - axis] + first, places[axis] + first_neighbour, sim_BC[places])

    def _merge(self, item: Array, neighbour: Array, similarity: Array) -> None:
        """Sort new entries in with the old ones of the same items, and keep the best k."""
        touched = np.zeros(int(item.max()) - int(item.min()) + 1, dtype=np.bool_)
        lowest = int(item.min())
        touched[item - lowest] = True
        numbers = np.flatnonzero(touched)
        group = np.cumsum(touched)[item - lowest] - 1
        item = numbers + lowest
        group = np.concatenate([np.repeat(np.arange(len(item)), self.k), group])
        neighbour = np.concatenate([self.index_NK[item].ravel(), neighbour])
        similarity = np.concatenate([self.similarity_NK[item].ravel(), similarity])
        order = np.lexsort((-similarity, group))
        tied = self._ties(item[group], similarity, order)
        if len(tied):
            self._settle(item[group[tied]], neighbour, similarity, tied)
            changed = np.zeros(len(item), dtype=np.bool_)
            changed[group[tied]] = True
            places = np.flatnonzero(changed[group[order]])
            again = order[places]
            order[places] = again[np.lexsort((neighbour[again], -similarity[again], group[again]))]
        sizes = np.bincount(group)
        kept_GK = order[(np.cumsum(sizes) - sizes)[:, None] + np.arange(self.k)]
        self.similarity_NK[item] = similarity[kept_GK]
        self.index_NK[item] = neighbour[kept_GK]

    def _ties(self, item: Array, similarity: Array, order: Array) -> Array:
        """Places of similarities that another one of the same item nearly equals."""
        sorted_items, values = item[order], similarity[order]
        near = sorted_items[1:] == sorted_items[:-1]
        # -inf stands for no neighbour yet; it lies last, and infinitely far from what is known
        gap = np.subtract(values[:-1], values[1:], where=near & np.isfinite(values[1:]),
                          out=np.full(len(near), np.inf))  # fmt: skip
        near &= gap <= self.slack_N[sorted_items[1:]]
        tied = np.zeros(len(order), dtype=np.bool_)
        tied[1:] |= near
        tied[:-1] |= near
        return order[tied]

    def _settle(self, item: Array, neighbour: Array, similarity: Array, places: Array) -> None:
        """Take similarities again, in place, pair by pair; `item` is of `places` alone."""
        for start in range(0, len(places), COLUMNS):
            some = places[start : start + COLUMNS]
            left = self.item_ND[item[start : start + COLUMNS]].astype(self.dtype, copy=False)
            right = self.other_MD[neighbour[some]].astype(self.dtype, copy=False)
            similarity[some] = np.einsum("nd,nd->n", left, right)


def _kth_maximum(sim_BC: Array, axis: int, k: int) -> Array:
    """A bound that at least k of an item's similarities in a block reach.

    It is the k-th best of the maxima of groups: few similarities besides the best k are above it.
    """
    size = sim_BC.shape[axis]
    groups = max(k, min(GROUPS, size // 2))
    if groups > size:
        return np.full(sim_BC.shape[1 - axis], -np.inf, dtype=sim_BC.dtype)
    each = size // groups
    if axis == 1:
        whole = sim_BC[:, : groups * each].reshape(len(sim_BC), each, groups)
        maxima = whole.max(axis=1)
    else:
        maxima = sim_BC[: groups * each].reshape(groups, each, sim_BC.shape[1]).max(axis=1).T
    return np.asarray(np.partition(maxima, -k, axis=1)[:, -k])

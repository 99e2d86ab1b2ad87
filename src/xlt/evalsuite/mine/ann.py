"""Approximate nearest neighbours by FAISS. The only file that imports it.

The index holds the vectors of one side in memory at a time. Similarities are taken again from the
vectors themselves, so that they are those of exact search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.extras import needs
from xlt.core.retrieval.knn import Neighbours
from xlt.core.show.terminal import Tick

__all__ = ["search"]

AT_ONCE = 8192  # queries
TRAINING = 256  # vectors a list that the centres of ivf are made from, at most
PROBED = 32  # lists that a query looks into
LINKS = 32  # of a node of hnsw
BREADTH = 128  # nodes that a search of hnsw keeps

Array = NDArray[Any]


def search(
    query_ND: Array, base_MD: Array, k: int, *, index: str, threads: int, tick: Tick
) -> Neighbours:
    """(similarity_NK, index_NK), best first, of equal ones the lower index.

    Raises:
        MissingExtra: FAISS is not installed.
    """
    with needs("mine", "an approximate index"):
        import faiss

    faiss.omp_set_num_threads(threads)
    k = min(k, len(base_MD))
    built = _ivf(faiss, base_MD) if index == "ivf" else _hnsw(faiss, base_MD, threads)
    similarity_NK = np.empty((len(query_ND), k))
    index_NK = np.empty((len(query_ND), k), dtype=np.int64)
    for start in range(0, len(query_ND), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        query_BD = np.ascontiguousarray(query_ND[rows], dtype=np.float32)
        found_BK = built.search(query_BD, k)[1]
        found_BK = np.where(found_BK < 0, np.maximum(found_BK[:, :1], 0), found_BK)
        sim_BK = np.empty(found_BK.shape)
        for place in range(k):
            sim_BK[:, place] = np.einsum("nd,nd->n", query_BD, base_MD[found_BK[:, place]])
        order = np.lexsort((found_BK, -sim_BK))
        similarity_NK[rows] = np.take_along_axis(sim_BK, order, axis=1)
        index_NK[rows] = np.take_along_axis(found_BK, order, axis=1)
        tick(len(query_BD))
    return similarity_NK, index_NK


def _ivf(faiss: Any, base_MD: Array) -> Any:
    """Lists around centres that k-means finds in a sample, about 4 times the square root of M."""
    n_lists = max(1, min(int(4 * len(base_MD) ** 0.5), len(base_MD) // 39))
    centres = faiss.IndexFlatIP(base_MD.shape[1])
    built = faiss.IndexIVFFlat(centres, base_MD.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
    step = max(1, len(base_MD) // (TRAINING * n_lists))
    built.train(np.ascontiguousarray(base_MD[::step], dtype=np.float32))
    _add(built, base_MD)
    built.nprobe = min(n_lists, PROBED)
    return built


def _hnsw(faiss: Any, base_MD: Array, threads: int) -> Any:
    """A graph of neighbours; one thread builds it, as with several it is another one each time."""
    built = faiss.IndexHNSWFlat(base_MD.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    faiss.omp_set_num_threads(1)
    _add(built, base_MD)
    faiss.omp_set_num_threads(threads)
    built.hnsw.efSearch = BREADTH
    return built


def _add(built: Any, base_MD: Array) -> None:
    for start in range(0, len(base_MD), AT_ONCE):
        built.add(np.ascontiguousarray(base_MD[start : start + AT_ONCE], dtype=np.float32))

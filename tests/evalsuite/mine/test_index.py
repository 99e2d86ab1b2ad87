"""FAISS on request only: its pairs, its recall, and what is said where it is absent."""

import sys

import numpy as np
import pytest

from xlt.core.errors import MissingExtra
from xlt.core.retrieval.knn import nearest
from xlt.evalsuite.mine.neighbours import find_neighbours


def unit(n, seed, width=24):
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_an_index_finds_nearly_what_exact_search_finds(index):
    pytest.importorskip("faiss")
    x, y = unit(900, 1), unit(1100, 2)
    found = find_neighbours(x, y, 4, index=index, threads=1)
    exact, places = nearest(x, y, 4)
    same = np.mean(found.forward[1] == places)
    assert found.recall > 90
    assert same > 0.9
    rows = (found.forward[1] == places).all(axis=1)
    np.testing.assert_allclose(found.forward[0][rows], exact[rows], atol=1e-6)
    again = find_neighbours(x, y, 4, index=index, threads=1)
    assert (again.forward[1] == found.forward[1]).all()
    assert found.backward[0].shape == (1100, 4)


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_a_side_with_fewer_texts_than_neighbours_works(index):
    pytest.importorskip("faiss")
    found = find_neighbours(unit(3, 1), unit(2, 2), 4, index=index, threads=1)
    assert found.forward[0].shape == (3, 2)
    assert found.recall == 100


def test_recall_counts_what_an_index_misses(monkeypatch):
    import xlt.evalsuite.mine.ann as ann

    def every_second(query, base, k, *, index, threads, tick):
        similarity, places = nearest(query, base, 2 * k)
        return similarity[:, ::2], places[:, ::2]

    monkeypatch.setattr(ann, "search", every_second)
    found = find_neighbours(unit(50, 1), unit(60, 2), 4, index="ivf", threads=1)
    assert found.recall == 50


def test_without_faiss_an_index_is_exit_6_and_exact_search_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra) as raised:
        find_neighbours(unit(5, 1), unit(6, 2), 2, index="ivf", threads=1)
    assert raised.value.exit_code == 6
    assert "mine" in raised.value.hint
    assert find_neighbours(unit(5, 1), unit(6, 2), 2, index="flat", threads=1).recall is None

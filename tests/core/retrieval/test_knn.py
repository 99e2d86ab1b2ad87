"""Exact neighbours: against brute force, with ties, over any block borders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError, UsageError
from xlt.core.retrieval import knn, unit


def brute(x, y, k):
    """All products in integers or float64, a stable sort: equal values by lower index."""
    products = x.astype(np.float64) @ y.astype(np.float64).T
    index = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, index, axis=1), index


def same(found, expected):
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(knn, "ROWS", 64)
    monkeypatch.setattr(knn, "COLUMNS", 128)
    monkeypatch.setattr(knn, "GROUPS", 8)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 300),
    m=st.integers(1, 300),
    k=st.integers(1, 9),
    values=st.integers(1, 4),
)
def test_neighbours_equal_brute_force_with_many_ties(seed, n, m, k, values):
    rng = np.random.default_rng(seed)
    x = rng.integers(-values, values + 1, (n, 3)).astype(np.float32)
    y = rng.integers(-values, values + 1, (m, 3)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("ROWS", 64), ("COLUMNS", 128), ("GROUPS", 8)):
            patch.setattr(knn, name, size)
        forward, backward = knn.nearest_both(x, y, k)
        same(forward, brute(x, y, k))
        same(backward, brute(y, x, k))
        same(knn.nearest(x, y, k), brute(x, y, k))


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_blocks_that_get_better_and_better_lose_nothing(small_blocks, order):
    y = np.linspace(-1, 1, 700, dtype=np.float64)[:, None]
    y = y if order == "rising" else y[::-1]
    x = np.array([[1.0], [-1.0], [0.5]])
    same(knn.nearest(x, y, 5), brute(x, y, 5))


def test_block_sizes_do_not_change_the_neighbours(small_blocks):
    rng = np.random.default_rng(5)
    x = unit.unit_rows(rng.standard_normal((333, 40)))
    y = unit.unit_rows(rng.standard_normal((517, 40)))
    small = knn.nearest_both(x, y, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "ROWS", 1024)
        patch.setattr(knn, "COLUMNS", 4096)
        large = knn.nearest_both(x, y, 4)
    for (similarity, index), (other, other_index) in zip(small, large, strict=True):
        np.testing.assert_array_equal(index, other_index)
        np.testing.assert_allclose(similarity, other, rtol=1e-6)


def test_equal_rows_get_equal_similarities_wherever_they_stand(small_blocks):
    rng = np.random.default_rng(6)
    y = np.tile(rng.standard_normal((7, 96), dtype=np.float32), (60, 1))
    similarity, index = knn.nearest(y[:7], y, 60)
    assert (similarity == similarity[:, :1]).all()
    np.testing.assert_array_equal(index, np.arange(7)[:, None] + 7 * np.arange(60))
    lowest = knn.nearest(y[:7], y, 4)[1]
    np.testing.assert_array_equal(lowest, index[:, :4])
    np.testing.assert_array_equal(index, np.arange(7)[:, None] + 7 * np.arange(60))


def test_k_is_limited_by_what_there_is():
    similarity, index = knn.nearest(np.eye(3), np.eye(3)[:2], 9)
    assert similarity.shape == index.shape == (3, 2)
    np.testing.assert_array_equal(index[2], [0, 1])


def test_no_queries_give_no_neighbours():
    similarity, index = knn.nearest(np.zeros((0, 3)), np.eye(3), 2)
    assert similarity.shape == index.shape == (0, 2)


def test_an_empty_collection_is_an_error():
    with pytest.raises(DataError, match="nothing to search"):
        knn.nearest(np.eye(3), np.zeros((0, 3)), 2)


def test_widths_that_differ_are_an_error():
    with pytest.raises(DataError, match=r"shapes \(3, 3\) and \(2, 2\)"):
        knn.nearest_both(np.eye(3), np.eye(2), 2)


def test_k_below_one_is_an_error():
    with pytest.raises(UsageError, match="k is 0"):
        knn.nearest(np.eye(3), np.eye(3), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named(value):
    y = np.eye(3)
    y[1, 2] = value
    for call in (lambda: knn.nearest_both(np.eye(3), y, 1), lambda: unit.unit_rows(y)):
        with pytest.raises(DataError, match="row 1 is not finite"):
            call()


def test_unit_rows_have_norm_one_and_zero_rows_stay():
    rows = unit.unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]])
    assert rows.dtype == np.float32


def test_unit_rows_are_not_copied():
    rows = unit.unit_rows(np.random.default_rng(1).standard_normal((50, 8)))
    assert unit.unit_rows(rows) is rows


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 5))
def test_l2_neighbours_equal_brute_force_with_ties(seed, k):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, (20, 3)), rng.integers(-3, 4, (40, 3))
    squared = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    index = np.argsort(squared, axis=1, kind="stable")[:, :k]
    found = knn.nearest_l2(x, y, k)
    np.testing.assert_array_equal(found[1], index)
    np.testing.assert_allclose(found[0], np.take_along_axis(squared, index, axis=1), atol=1e-9)

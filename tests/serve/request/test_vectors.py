"""Vectors of texts that are compared."""

from types import SimpleNamespace

import numpy as np
import pytest

from xlt.core.inference.head import Head
from xlt.serve.request.vectors import comparable, cosines, pooled


def unit(rng, n, width):
    rows = rng.standard_normal((n, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("width", [3, 16, 37, 384, 385])
def test_equal_vectors_have_cosines_of_equal_bits_wherever_they_stand(width):
    rng = np.random.default_rng(width)
    for n in range(2, 70):
        x, y = unit(rng, 3, width), unit(rng, n, width)
        places = rng.choice(n, size=max(2, n // 2), replace=False)
        y[places] = y[places[0]]
        for scores in (cosines(x, y), cosines(y, x).T):
            assert len({tuple(row) for row in scores.T[places].tolist()}) == 1
            np.testing.assert_allclose(scores, x.astype(np.float64) @ y.T, atol=1e-6)


def test_equal_texts_have_the_vector_of_the_first_of_them():
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    result = SimpleNamespace(whole=lambda: list(rows))
    assert comparable(result, ["a", "b", "a", "b"]).tolist() == rows[[0, 1, 0, 1]].tolist()
    assert comparable(result, ["a", "b", "c", "d"]).tolist() == rows.tolist()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_of_tokens_are_pooled_where_the_graph_scales_its_own(pooling):
    tokens = [unit(np.random.default_rng(n), n, 5) for n in (2, 7)]
    bundle = SimpleNamespace(pooling=pooling)
    engine = SimpleNamespace(per_token=True, bundle=bundle, head=Head())
    result = SimpleNamespace(whole=lambda: tokens, model=SimpleNamespace(engine=engine))
    take = {"mean": lambda rows: rows.mean(axis=0), "cls": lambda rows: rows[0],
            "last": lambda rows: rows[-1]}[pooling]  # fmt: skip
    np.testing.assert_allclose(pooled(result), [take(rows) for rows in tokens], rtol=1e-6)

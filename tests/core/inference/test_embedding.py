"""Vectors of many texts: slices, and what is done beside a GPU."""

import threading

import numpy as np
import pytest

from xlt.core.encode.rows import Row
from xlt.core.errors import DataError
from xlt.core.inference import batch, embedding
from xlt.core.inference.budget import Budget
from xlt.core.kinds.embed import SENTENCE
from xlt.core.retrieval.unit import each_unit, unit_vector

RNG = np.random.default_rng(3)


def rows_of(texts):
    return [
        Row(item=n, ids=np.array([0, *map(ord, text), 2], np.int32)) for n, text in enumerate(texts)
    ]


def run(rows, *, tick=None):
    found = []
    for row in rows:
        ids = row.ids.astype(np.float32)
        found.append({SENTENCE: np.array([ids.sum(), ids.max(), len(ids)], np.float32)})
    return found


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(embedding, "EMBED_AT_ONCE", 4)


@pytest.mark.usefixtures("small_slices")
def test_slices_made_ahead_give_the_same_vectors():
    texts = ["".join(map(chr, RNG.integers(97, 123, 1 + n % 5))) for n in range(30)]
    texts += texts[:7]
    plain = embedding.embed(texts, rows_of, run, tick=None, out=None)
    ahead = embedding.embed(texts, rows_of, run, tick=None, out=None, ahead=True)
    assert np.array_equal(plain, ahead)
    out = np.empty((len(texts), 3), np.float32)
    embedding.embed(iter(texts), rows_of, run, tick=None, out=out, ahead=True)
    assert np.array_equal(plain, out)


@pytest.mark.usefixtures("small_slices")
def test_the_next_slice_is_made_while_the_one_before_is_computed():
    second = threading.Event()

    def making(texts):
        if "second" in texts:
            second.set()
        return rows_of(texts)

    def waiting(rows, *, tick=None):
        assert second.wait(timeout=30)
        return run(rows)

    texts = ["a", "b", "c", "d", "second"]
    found = embedding.embed(texts, making, waiting, tick=None, out=None, ahead=True)
    assert found.shape == (5, 3)


@pytest.mark.usefixtures("small_slices")
def test_what_is_wrong_with_a_later_slice_is_said():
    def making(texts):
        if "bad" in texts:
            raise DataError("item 5: bad")
        return rows_of(texts)

    with pytest.raises(DataError, match="item 5"):
        embedding.embed([*"abcde", "bad"], making, run, tick=None, out=None, ahead=True)


def test_a_gpu_takes_more_short_rows_at_once_than_a_cpu_needs():
    rows = rows_of(["ab"] * 1000)
    seen = []

    def compute(part):
        seen.append(len(part))
        return run(part)

    list(batch.computed(rows, compute, Budget(16384)))
    assert seen == [1000]


@pytest.mark.parametrize("width", [1, 7, 64, 129, 384, 768])
def test_vectors_scaled_together_have_the_bits_of_each_alone(width):
    vec_ND = RNG.standard_normal((150, width)).astype(np.float32)
    vec_ND[3] = 0
    assert np.array_equal(each_unit(vec_ND), np.stack([unit_vector(one) for one in vec_ND]))

"""Vectors of texts that an evaluation remembers."""

import tracemalloc

import numpy as np
import pytest

from xlt.evalsuite.compute.vectors import TextVectors

WIDTH = 96


class Counting:
    """An engine whose vectors are numbers of the text."""

    def __init__(self):
        self.asked = []

    def embed(self, texts, *, tick=None):
        self.asked += texts
        tick(len(texts))
        return np.stack([np.full(WIDTH, float(text), np.float32) for text in texts])


def nothing(_):
    pass


@pytest.mark.parametrize(
    "texts", [["1", "2", "3"], ["1", "1", "2"], ["2"], []], ids=["new", "twice", "one", "none"]
)
@pytest.mark.parametrize("known", [[], ["1"], ["1", "2", "3"]])
def test_texts_have_their_vectors_whatever_is_remembered(texts, known):
    vectors = TextVectors(Counting())
    if known:
        vectors.embed(known, nothing)
    if texts:
        found = vectors.embed(texts, nothing)
        assert found[:, 0].tolist() == [float(text) for text in texts]


def test_a_text_is_encoded_once_over_all_calls():
    engine = Counting()
    vectors = TextVectors(engine)
    for texts in (["1", "2"], ["2", "3"], ["3", "1", "3"]):
        vectors.embed(texts, nothing)
    assert engine.asked == ["1", "2", "3"]


def test_what_is_remembered_does_not_change_with_what_was_given_out():
    vectors = TextVectors(Counting())
    vectors.embed(["1", "2"], nothing)[:] = 0
    assert vectors.embed(["2"], nothing)[0, 0] == 2


def test_only_so_much_is_remembered():
    engine = Counting()
    vectors = TextVectors(engine, kept_bytes=2 * 4 * WIDTH)
    vectors.embed(["1", "2", "3"], nothing)
    vectors.embed(["1", "2", "3"], nothing)
    assert engine.asked == ["1", "2", "3", "3"]


def test_distinct_new_texts_are_in_memory_once():
    texts = [str(number) for number in range(20_000)]
    made = Counting().embed(texts, tick=nothing)

    class Ready:
        def embed(self, texts, *, tick=None):
            return made

    vectors = TextVectors(Ready(), kept_bytes=0)
    tracemalloc.start()
    assert vectors.embed(texts, nothing) is made
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < made.nbytes

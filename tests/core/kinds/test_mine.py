"""BUCC's protocol, against its definition: the ratio margin over four neighbours a side."""

import numpy as np
import pytest

from xlt.core.kinds.mine import MINE
from xlt.core.tasks.examples import Bitext, Sentence

COUNT, WIDTH = 12, 8


@pytest.fixture
def sides():
    """Unit vectors of two sides; line i of one translates line i of the other."""
    rng = np.random.default_rng(4)
    x_ND = rng.normal(size=(COUNT, WIDTH))
    y_ND = x_ND + 0.3 * rng.normal(size=(COUNT, WIDTH))
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x_ND, y_ND))


def mean_of_best(similarity_NM, k):
    return np.sort(similarity_NM, axis=1)[:, -k:].mean(axis=1)


def test_pairs_are_scored_by_the_mean_of_four_neighbours_on_each_side(sides):
    x_ND, y_ND = sides
    vectors = {f"x{i}": v for i, v in enumerate(x_ND)} | {f"y{i}": v for i, v in enumerate(y_ND)}
    bitext = Bitext(
        foreign=tuple(Sentence(id=f"f{i}", text=f"x{i}") for i in range(COUNT)),
        english=tuple(Sentence(id=f"e{i}", text=f"y{i}") for i in range(COUNT)),
        gold=tuple((f"f{i}", f"e{i}") for i in range(COUNT)),
    )

    def embed(texts):
        return np.stack([vectors[text] for text in texts]).astype(np.float32)

    found = MINE.matching.match(bitext, bitext, embed, False)
    similarity = x_ND @ y_ND.T
    pairs = np.diag(similarity)
    margins = {
        k: pairs / ((mean_of_best(similarity, k) + mean_of_best(similarity.T, k)) / 2)
        for k in (1, 3, 4, 5)
    }
    assert set(found.predictions) == set(bitext.gold), "the case is too hard"
    lowest = {k: margin.min() for k, margin in margins.items()}
    # the best cut is after the last pair, whose score it then is
    assert found.on_dev.value == pytest.approx(lowest[4], rel=1e-5)
    assert min(abs(lowest[4] - lowest[k]) for k in (1, 3, 5)) > 1e-3, "the case cannot tell"

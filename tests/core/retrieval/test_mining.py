"""Mining against the official utilities' output, its invariants, and thresholds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.errors import DataError, UsageError
from xlt.core.metrics.table import measure
from xlt.core.retrieval.mining import (
    MARGINS,
    RETRIEVALS,
    best_threshold,
    candidates,
    extract,
    pair_scores,
)
from xlt.core.retrieval.tatoeba import english_order, tatoeba, tatoeba_reverse

VARIANTS = {
    "cosine_ratio_max": {},
    "cosine_distance_max": {"margin": "distance"},
    "cosine_absolute_max": {"margin": "absolute"},
    "cosine_ratio_intersect": {"retrieval": "intersect"},
    "cosine_ratio_max_k1": {"k": 1},
    "cosine_ratio_max_k8": {"k": 8},
    "cosine_ratio_max_shift": {"shift": True},
    "cosine_ratio_max_threshold_1.2": {"threshold": 1.2},
    "l2_ratio_max": {"distance": "l2"},
}
RTOL = 2e-5
ROUNDING = 5e-7  # of float32 similarities near 1, which "distance" subtracts
ARBITRARY = {"cosine_ratio_max_k1"}  # exact ties at score 1, in no particular order


@pytest.fixture(scope="module")
def folder(oracle):
    return oracle / "retrieval"


@pytest.fixture(scope="module")
def expected(folder):
    return json.loads((folder / "expected_retrieval.json").read_text())


def lines(path):
    return path.read_text().splitlines()


def pairs(path):
    return [tuple(line.split("\t")) for line in lines(path)]


class Side:
    """One split of the oracle, mined with one setting."""

    def __init__(self, folder, split, setting):
        self.texts = [lines(folder / f"{split}.{side}.txt") for side in ("src", "trg")]
        self.ids = [lines(folder / f"{split}.{side}.id") for side in ("src", "trg")]
        x, y = (np.load(folder / f"{split}.{side}.npy") for side in ("src", "trg"))
        self.gold = pairs(folder / f"{split}.gold")
        self.found = candidates(x, y, texts_x=self.texts[0], texts_y=self.texts[1], **setting)
        self.named = [(c.score, self.texts[0][c.i], self.texts[1][c.j]) for c in self.found]

    def scores(self, repeated="drop"):
        return pair_scores(
            self.found, ids_x=self.ids[0], ids_y=self.ids[1],
            texts_x=self.texts[0], texts_y=self.texts[1], repeated=repeated,
        )  # fmt: skip


def of_variant(expected, name):
    return next(v for k, v in expected["variants"].items() if k.split(" ")[0] == name)


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("name", VARIANTS)
def test_candidates_and_scores_of_the_official_code(folder, expected, name, split):
    mined = Side(folder, split, VARIANTS[name])
    official = [
        (float(score), a, b) for score, a, b in pairs(folder / f"{split}.candidates.{name}.tsv")
    ]
    assert {(a, b) for _, a, b in mined.named} == {(a, b) for _, a, b in official}
    wanted = {(a, b): score for score, a, b in official}
    for score, a, b in mined.named:
        assert score == pytest.approx(wanted[a, b], rel=RTOL, abs=ROUNDING)
    record = of_variant(expected, name)[split]
    assert len(mined.found) == record["n_candidates"]
    assert len(mined.scores()) == record["n_candidates_after_dropping_repeated_texts"]


def check_threshold(found, record):
    assert found.value == pytest.approx(record["best-threshold"], rel=RTOL, abs=ROUNDING)
    assert found.precision == pytest.approx(record["precision"])
    assert found.recall == pytest.approx(record["recall"])
    assert found.f1 == pytest.approx(record["F1"])


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("name", sorted(set(VARIANTS) - ARBITRARY))
def test_thresholds_of_the_official_code(folder, expected, name, split):
    mined = Side(folder, split, VARIANTS[name])
    record = of_variant(expected, name)[split]
    scores, every = mined.scores(), mined.scores("all")
    found = best_threshold(scores, mined.gold)
    if record["optimised_on_own_gold"] == "IndexError":
        assert found.value == min(scores.values())
        assert len(extract(scores, found.value)) == len(scores)
        return
    check_threshold(found, record["optimised_on_own_gold"])
    assert len(extract(scores, found.value)) == record["n_extracted"]
    with_all_ids = record["expand_repeated_texts_like_jiant"]
    assert len(every) == with_all_ids["n"]
    check_threshold(best_threshold(every, mined.gold), with_all_ids)


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - ARBITRARY))
def test_test_pairs_at_the_dev_threshold(folder, expected, name):
    record = of_variant(expected, name).get("test_with_dev_threshold")
    if record is None:
        assert name == "cosine_ratio_max_threshold_1.2"
        return
    dev, test = (Side(folder, split, VARIANTS[name]) for split in ("dev", "test"))
    found = extract(test.scores(), best_threshold(dev.scores(), dev.gold).value)
    assert set(found) == set(pairs(folder / f"test.predictions.{name}.tsv"))
    assert len(found) == record["n_extracted"]
    official = {"f1": record["F1"], "precision": record["precision"], "recall": record["recall"]}
    assert measure("bucc", test.gold, found, "de") == pytest.approx(official)


def test_neighbourhood_of_one_reaches_the_official_f1_up_to_its_ties(folder, expected):
    """Mutual nearest neighbours score exactly 1: official rounding puts them in any order."""
    record = of_variant(expected, "cosine_ratio_max_k1")
    for split in ("dev", "test"):
        mined = Side(folder, split, VARIANTS["cosine_ratio_max_k1"])
        found = best_threshold(mined.scores(), mined.gold)
        assert found.f1 == pytest.approx(record[split]["optimised_on_own_gold"]["F1"], abs=2.0)
        assert found.value == pytest.approx(1.0, abs=0.01)


def test_threshold_unit_cases_of_the_official_code(expected):
    for case in expected["threshold_unit_cases"]:
        scores = {tuple(pair): score for pair, score in case["candidates"]}
        found = best_threshold(scores, [tuple(line.split("\t")) for line in case["gold"]])
        if case["threshold"] == "IndexError":
            assert found.value == min(scores.values())
            assert found.f1 == 100.0
        else:
            assert found.value == pytest.approx(case["threshold"])
            kept = extract(scores, found.value)
            assert ["\t".join(pair) for pair in kept] == case["extracted"]


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_tatoeba_predictions_of_the_official_code(folder, expected, distance):
    foreign, queries = np.load(folder / "tatoeba.src.npy"), np.load(folder / "tatoeba.eng.npy")
    labels = list(map(int, lines(folder / "tatoeba.labels.txt")))
    english = np.empty_like(queries)
    english[labels] = queries
    texts = [""] * len(labels)
    for place, line in enumerate(labels):
        texts[line] = f"{place:03}"
    assert english_order(texts) == labels
    found = tatoeba(foreign, english, texts, distance=distance)
    assert found == list(map(int, lines(folder / f"tatoeba.pred.{distance}.txt")))
    accuracy = 100 * np.mean(np.array(found) == np.array(labels))
    assert accuracy == pytest.approx(expected["tatoeba"][f"accuracy_{distance}"])
    if distance == "cosine":
        reverse = np.array(tatoeba_reverse(foreign, english)) == np.arange(len(labels))
        official = expected["tatoeba"]["accuracy_wrong_direction_cosine"]
        assert 100 * reverse.mean() == pytest.approx(official)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_tatoeba_ties_go_to_the_lowest_line(folder, expected, distance):
    foreign, queries = (np.load(folder / f"tatoeba_ties.{side}.npy") for side in ("src", "eng"))
    assert tatoeba_reverse(queries, foreign, distance=distance) == expected["tatoeba_ties"]["pred"]
    four_times = np.repeat(queries, 4, axis=0)
    official = expected["tatoeba_ties"]["pred_25_queries_blas_path"]
    assert tatoeba_reverse(four_times, foreign, distance=distance) == official


def test_english_is_sorted_by_code_point():
    assert english_order(["b", "a", "É", "Z", "a"]) == [3, 1, 4, 0, 2]


def test_tatoeba_needs_as_many_lines_on_both_sides():
    with pytest.raises(DataError, match="3 foreign and 2 English embeddings for 2 English texts"):
        tatoeba(np.eye(3), np.eye(3)[:2], ["a", "b"])


@st.composite
def collections(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    texts_x = [f"x{i}" for i in rng.integers(0, 2 * n, n)]
    texts_y = [f"y{i}" for i in rng.integers(0, 2 * m, m)]
    return rng.standard_normal((n, 4)), rng.standard_normal((m, 4)), texts_x, texts_y


@given(
    sides=collections(),
    k=st.integers(1, 6),
    margin=st.sampled_from(MARGINS),
    retrieval=st.sampled_from(RETRIEVALS),
)
def test_candidates_use_each_text_once_and_only_first_lines(sides, k, margin, retrieval):
    x, y, texts_x, texts_y = sides
    found = candidates(
        x, y, texts_x=texts_x, texts_y=texts_y, k=k, margin=margin, retrieval=retrieval
    )
    left, right = [c.i for c in found], [c.j for c in found]
    assert all(texts_x.index(texts_x[i]) == i for i in left)
    assert all(texts_y.index(texts_y[j]) == j for j in right)
    if retrieval in ("max", "intersect", "forward"):
        assert len(set(left)) == len(left)
    if retrieval in ("max", "intersect", "backward"):
        assert len(set(right)) == len(right)
    if retrieval == "forward":
        assert len(left) == len(set(texts_x))
    if retrieval == "backward":
        assert len(right) == len(set(texts_y))
    if retrieval == "max":
        scores = [c.score for c in found]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)


@given(sides=collections(), k=st.integers(1, 6))
def test_both_sides_agree_when_they_are_swapped(sides, k):
    x, y, texts_x, texts_y = sides
    setting = {"k": k, "margin": "distance", "threshold": -10.0}
    one = candidates(x, y, texts_x=texts_x, texts_y=texts_y, **setting)
    other = candidates(y, x, texts_x=texts_y, texts_y=texts_x, **setting)
    if len({round(c.score, 5) for c in one}) == len(one):
        assert {(c.i, c.j) for c in one} == {(c.j, c.i) for c in other}


@given(sides=collections(), k=st.integers(1, 4))
def test_intersect_is_what_forward_and_backward_share(sides, k):
    x, y, texts_x, texts_y = sides
    mined = {
        name: {
            (c.i, c.j)
            for c in candidates(x, y, texts_x=texts_x, texts_y=texts_y, k=k, retrieval=name)
        }
        for name in RETRIEVALS
    }
    assert mined["intersect"] == mined["forward"] & mined["backward"]


def test_a_repeated_text_has_the_embedding_of_its_last_line():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    y = np.array([[0.0, 1.0], [1.0, 0.2]])
    found = candidates(
        x[[0, 1]], y, texts_x=["same", "same"], texts_y=["a", "b"], k=2, margin="absolute"
    )
    assert [(c.i, c.j) for c in found] == [(0, 0)]


def test_repeated_texts_are_dropped_or_named_by_all_their_ids():
    found = candidates(
        np.eye(3), np.eye(3), texts_x=["a", " b", "b"], texts_y=["x", "y", "z"],
        k=1, margin="absolute",
    )  # fmt: skip
    names = {
        "ids_x": "123",
        "ids_y": "456",
        "texts_x": ["a", " b", "b"],
        "texts_y": ["x", "y", "z"],
    }
    assert pair_scores(found, **names) == {("1", "4"): 1.0}
    every = pair_scores(found, **names, repeated="all")
    assert set(every) == {("1", "4"), ("2", "5"), ("3", "5"), ("2", "6"), ("3", "6")}
    with pytest.raises(UsageError, match="unknown rule"):
        pair_scores(found, **names, repeated="keep")


PAIRS = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")),
    st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.25]),
)


@given(scores=PAIRS, gold=st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"))))
def test_a_threshold_never_does_worse_than_taking_everything_or_any_single_cut(scores, gold):
    found = best_threshold(scores, gold)
    kept = extract(scores, found.value)
    hits = len(gold.intersection(kept))
    assert found.precision == pytest.approx(100 * hits / max(1, len(kept)))
    assert found.recall == pytest.approx(100 * hits / max(1, len(gold)))
    if len(set(scores.values())) == len(scores):
        for cut in scores.values():
            taken = extract(scores, cut)
            f1 = 200 * len(gold.intersection(taken)) / (len(taken) + len(gold))
            assert found.f1 >= f1 - 1e-9


def test_nothing_mined_scores_nothing():
    found = best_threshold({}, [("a", "x")])
    assert (found.value, found.f1, extract({}, 0.0)) == (0.0, 0.0, [])


def test_zero_embeddings_stop_nothing():
    found = candidates(
        np.zeros((2, 3)), np.zeros((2, 3)), texts_x="ab", texts_y="cd", retrieval="forward"
    )
    assert [(c.i, c.j, c.score) for c in found] == [(0, 0, -np.inf), (1, 0, -np.inf)]


def test_unknown_settings_are_named_together():
    with pytest.raises(UsageError, match=r"2 mistakes: .*'ration'; did you mean 'ratio'.*'fwd'"):
        candidates(
            np.eye(2), np.eye(2), texts_x="ab", texts_y="cd", margin="ration", retrieval="fwd"
        )


def test_embeddings_of_other_texts_are_an_error():
    with pytest.raises(DataError, match="2 embeddings for 3 texts"):
        candidates(np.eye(2), np.eye(2), texts_x="abc", texts_y="cd")

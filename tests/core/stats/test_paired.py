"""Paired tests against brute force over all exchanges, and against McNemar's exact test."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xlt.core.errors import UsageError
from xlt.core.stats.correction import benjamini_hochberg, holm
from xlt.core.stats.paired import Pair, compare, compare_all, compare_mean, swap_test
from xlt.core.stats.power import detectable


def accuracy(sums):
    return 100 * sums[..., 0] / sums[..., 1]


def f1(sums):
    return 200 * sums[..., 0] / np.maximum(1, sums[..., 1] + sums[..., 2])


def hits(values):
    return np.stack([np.array(values, dtype=float), np.ones(len(values))], axis=1)


def two(both, only_a, only_b, neither):
    """Accuracy counts of two systems, from the four cells of McNemar's table."""
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * neither
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return hits(a), hits(b)


def brute(a, b, score):
    """The p value by all 2^G exchanges."""
    seen = abs(score(a.sum(0)) - score(b.sum(0)))
    apart = []
    for swapped in itertools.product((False, True), repeat=len(a)):
        z = np.array(swapped)[:, None]
        first, second = np.where(z, b, a).sum(0), np.where(z, a, b).sum(0)
        apart.append(abs(score(first) - score(second)))
    apart = np.array(apart)
    return (apart >= seen - 1e-9).mean(), (apart >= apart.max() - 1e-9).mean()


rows = st.lists(st.tuples(*[st.integers(0, 3)] * 6), min_size=1, max_size=9).map(
    lambda found: np.array(found, dtype=float)
)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_counting_out_is_all_exchanges(table):
    a, b = table[:, :3], table[:, 3:]
    test = swap_test(a, b, f1, np.random.default_rng(0))
    p, floor = brute(a, b, f1)
    assert test.method == "exact"
    assert (test.p, test.floor) == pytest.approx((p, floor), abs=1e-9)


@pytest.mark.parametrize("cells", [(40, 9, 2, 9), (5, 3, 3, 0), (0, 6, 0, 4), (900, 30, 55, 15)])
def test_accuracy_is_mcnemars_exact_test(cells):
    a, b = two(*cells)
    expected = stats.binomtest(cells[1], cells[1] + cells[2]).pvalue
    assert swap_test(a, b, accuracy, np.random.default_rng(0)).p == pytest.approx(expected)


def test_drawn_exchanges_agree_with_all_of_them():
    rng = np.random.default_rng(4)
    a = rng.integers(0, 5, (40, 3)).astype(float)
    b = np.clip(a + rng.integers(-1, 2, (40, 3)), 0, 5)
    drawn = swap_test(a, b, f1, np.random.default_rng(1), swaps=20_000)
    z = np.random.default_rng(2).integers(0, 2, (40_000, 40)).astype(float)
    shift = z @ (b - a)
    apart = np.abs(f1(a.sum(0) + shift) - f1(b.sum(0) - shift))
    seen = abs(f1(a.sum(0)) - f1(b.sum(0)))
    assert drawn.method == "permutation" and drawn.floor == 1 / 20_001
    assert drawn.p == pytest.approx((apart >= seen - 1e-9).mean(), abs=0.015)


def test_no_p_is_below_its_floor_and_none_is_zero():
    a, b = two(0, 5, 0, 0)
    test = swap_test(a, b, accuracy, np.random.default_rng(0))
    assert test.p == test.floor == pytest.approx(2 / 2**5)
    rng = np.random.default_rng(0)
    many = rng.random((300, 2)) * [1, 0] + [2, 4]
    worse = many - rng.random((300, 1)) * [1, 0]
    drawn = swap_test(many, worse, accuracy, rng, swaps=999)
    assert drawn.p == drawn.floor == 1 / 1000


def test_swapping_the_systems_turns_the_sign_and_keeps_the_p():
    a, b = two(40, 12, 3, 10)
    one = compare(a, b, accuracy, np.random.default_rng(0))
    other = compare(b, a, accuracy, np.random.default_rng(0))
    assert one.difference.estimate == -other.difference.estimate > 0
    assert one.test.p == other.test.p


def test_equal_systems_do_not_differ():
    a, _ = two(30, 5, 0, 5)
    same = compare(a, a, accuracy, np.random.default_rng(0))
    assert (same.difference.low, same.difference.high, same.test.p) == (0, 0, 1)
    assert same.detectable == 0


def test_pairing_is_used():
    """A difference on few items is seen among many on which both agree."""
    a, b = two(500, 20, 0, 500)
    paired = compare(a, b, accuracy, np.random.default_rng(0))
    assert paired.test.p < 1e-4 and paired.difference.low > 0
    shuffled = np.random.default_rng(1).permutation(len(b))
    assert compare(a, b[shuffled], accuracy, np.random.default_rng(0)).test.p > 0.05


def test_clusters_are_exchanged_whole():
    """The same answer on ten questions of a paragraph is one piece of evidence, not ten."""
    a, b = two(0, 3, 0, 3)
    ten = (np.repeat(a, 10, axis=0), np.repeat(b, 10, axis=0))
    clustered = swap_test(a * 10, b * 10, accuracy, np.random.default_rng(0))
    alone = swap_test(*ten, accuracy, np.random.default_rng(0))
    assert clustered.p == pytest.approx(0.25) and alone.p < 1e-6


def test_two_systems_need_the_same_clusters():
    with pytest.raises(UsageError, match="cannot be compared"):
        compare(hits([1, 0]), hits([1]), accuracy, np.random.default_rng(0))


def test_languages_are_corrected_by_holm_and_detect_less():
    pairs = {}
    for lang, cells in {"de": (50, 9, 0, 41), "sw": (50, 6, 5, 39), "th": (50, 8, 2, 40)}.items():
        a, b = two(*cells)
        pairs[lang] = Pair(names=range(100), a=a, b=b)
    found = compare_all(pairs, accuracy, np.random.default_rng(0))
    raw = {lang: one.test.p for lang, one in found.items()}
    assert raw["de"] < raw["th"] < raw["sw"]
    assert found["de"].adjusted == pytest.approx(3 * raw["de"])
    assert found["th"].adjusted == pytest.approx(2 * raw["th"])
    assert found["sw"].adjusted == pytest.approx(max(raw["sw"], 2 * raw["th"]))
    alone = compare(pairs["de"].a, pairs["de"].b, accuracy, np.random.default_rng(0))
    assert found["de"].detectable / alone.detectable == pytest.approx(
        detectable(1, tests=3) / detectable(1), rel=0.05
    )


def test_shared_items_make_the_mean_over_languages_less_certain():
    """Translations of one item err together; drawn apart they would seem to be more items."""
    a, b = two(50, 12, 8, 30)
    shared = {lang: Pair(names=range(100), a=a, b=b) for lang in "abcd"}
    apart = {lang: Pair(names=[f"{lang}{i}" for i in range(100)], a=a, b=b) for lang in "abcd"}
    together = compare_mean(shared, accuracy, np.random.default_rng(0))
    separate = compare_mean(apart, accuracy, np.random.default_rng(0))
    one = compare(a, b, accuracy, np.random.default_rng(0))

    def width(found):
        return found.difference.high - found.difference.low

    assert width(together) == pytest.approx(width(one), rel=0.1)
    assert width(separate) == pytest.approx(width(one) / 2, rel=0.1)
    assert together.test.p == pytest.approx(one.test.p, abs=0.02)
    assert together.difference.clusters == 100 and separate.difference.clusters == 400


def test_a_mean_over_languages_of_different_items_still_pairs():
    a, b = two(5, 3, 0, 2)
    pairs = {
        "x": Pair(names=range(10), a=a, b=b),
        "y": Pair(names=range(5, 15), a=a, b=b),
        "z": Pair(names=list("abcdefghij"), a=b, b=a),
    }
    found = compare_mean(pairs, accuracy, np.random.default_rng(0))
    assert found.difference.estimate == pytest.approx(10)
    assert found.difference.clusters == 25


def test_a_language_of_few_clusters_does_not_spoil_the_mean():
    """Joint draws may leave it out; those draws are passed over."""
    a, b = two(30, 8, 2, 10)
    pairs = {
        "many": Pair(names=range(50), a=a, b=b),
        "few": Pair(names=range(2), a=hits([1, 1]), b=hits([1, 0])),
    }
    found = compare_mean(pairs, accuracy, np.random.default_rng(0)).difference
    assert found.low <= found.estimate <= found.high
    assert found.estimate == pytest.approx((12 + 50) / 2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_follow_their_definitions(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    for rank, i in enumerate(order):
        by_holm = max((len(p) - j) * p[order[j]] for j in range(rank + 1))
        by_fdr = min(len(p) / (j + 1) * p[order[j]] for j in range(rank, len(p)))
        assert holm(p)[i] == pytest.approx(min(1, by_holm))
        assert benjamini_hochberg(p)[i] == pytest.approx(min(1, by_fdr))


def test_false_discovery_rate_is_scipys():
    p = [0.001, 0.2, 0.03, 0.04, 0.9, 0.01]
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))


def test_no_probability_is_refused():
    with pytest.raises(UsageError, match="is not a p value"):
        holm([0.1, 1.2])


def test_the_detectable_effect_is_found_four_times_of_five():
    size = detectable(2.0)
    found = stats.norm.sf(stats.norm.ppf(0.975) - size / 2.0)
    assert found == pytest.approx(0.8, abs=1e-3)
    few = detectable(2.0, df=4)
    power = stats.nct.sf(stats.t.ppf(0.975, 4), 4, few / 2.0)
    assert power == pytest.approx(0.8, abs=0.03)
    assert detectable(1.0, tests=10) > detectable(1.0)

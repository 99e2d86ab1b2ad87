"""Intervals of a score, held against the drawing of clusters one by one and against scipy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xlt.core.errors import UsageError
from xlt.core.metrics.table import METRICS
from xlt.core.stats import clusters
from xlt.core.stats.clusters import (
    align,
    bootstrap_sums,
    cluster_sums,
    draw_weights,
    leave_one_out,
    standard_error,
)
from xlt.core.stats.intervals import bca, interval, percentile


def accuracy(sums):
    return METRICS["accuracy"].combine(sums)["accuracy"]


def tag_f1(sums):
    return METRICS["tag_f1"].combine(sums)["f1"]


def right_and_wrong(right, wrong):
    hits = np.array([1.0] * right + [0.0] * wrong)
    return np.stack([hits, np.ones(right + wrong)], axis=1)


def test_clusters_add_up_their_items():
    counts = np.array([[1.0, 1], [0, 1], [1, 1], [1, 1]])
    names, sums = cluster_sums(counts, ["p", "q", "p", "q"])
    assert names == ["p", "q"] and sums.tolist() == [[2, 2], [1, 2]]
    assert cluster_sums(counts)[1].tolist() == counts.tolist()
    with pytest.raises(UsageError, match="3 cluster names for 4 items"):
        cluster_sums(counts, ["p", "q", "p"])


def test_what_a_system_lacks_is_zero_when_clusters_are_aligned():
    names, sums = align(
        [(["x", "y"], np.array([[1.0], [2]])), (["y", "z"], np.array([[3.0], [4]]))]
    )
    assert names == ["x", "y", "z"] and sums[:, :, 0].tolist() == [[1, 2, 0], [0, 3, 4]]


def test_bootstrap_sums_have_the_distribution_of_drawing_one_by_one():
    sums = np.array([[2.0, 3], [0, 2], [0, 2], [5, 5], [1, 3]])
    exact = np.array([sums[list(d)].sum(axis=0) for d in itertools.product(range(5), repeat=5)])
    drawn = bootstrap_sums(sums, 200_000, np.random.default_rng(3))
    assert np.abs(drawn.mean(axis=0) - exact.mean(axis=0)).max() < 0.03
    assert np.cov(drawn.T) == pytest.approx(np.cov(exact.T), rel=0.02)
    for share in (0.025, 0.25, 0.5, 0.9, 0.975):  # of a ratio, too
        assert np.quantile(accuracy(drawn), share) == pytest.approx(
            np.quantile(accuracy(exact), share), abs=1.5
        )


@pytest.mark.parametrize("counts", [[40, 2], [1] * 9, [3, 1, 1]])
def test_weights_are_multinomial_whichever_way_they_are_drawn(counts):
    counts = np.array(counts)
    weights = np.concatenate(list(draw_weights(counts, 40_000, np.random.default_rng(0))))
    total = counts.sum()
    assert (weights.sum(axis=1) == total).all() and weights.shape == (40_000, len(counts))
    share = counts / total
    exact = total * (np.diag(share) - np.outer(share, share))
    assert weights.mean(axis=0) == pytest.approx(counts, rel=0.02)
    assert np.cov(weights.T) == pytest.approx(exact, abs=0.04 * total)


def test_weights_come_in_blocks_of_bounded_memory(monkeypatch):
    monkeypatch.setattr(clusters, "BLOCK_NUMBERS", 100)
    for counts in ([1] * 30, [600, 4]):
        blocks = list(draw_weights(np.array(counts), 70, np.random.default_rng(0)))
        assert sum(map(len, blocks)) == 70 and max(map(len, blocks)) <= max(1, 100 // len(counts))


def test_the_standard_error_is_the_textbooks():
    hits = np.array([1.0] * 30 + [0.0] * 20)
    sums = np.stack([hits, np.ones(50)], axis=1)
    assert standard_error(sums, accuracy) == pytest.approx(100 * hits.std(ddof=1) / np.sqrt(50))
    assert standard_error(sums[:1], accuracy) == 0
    rng = np.random.default_rng(0)
    ratio = rng.integers(1, 9, (60, 2)).astype(float)
    drawn = accuracy(bootstrap_sums(ratio, 50_000, rng)).std()
    assert standard_error(ratio, accuracy) == pytest.approx(drawn, rel=0.05)


def test_leaving_one_out_is_leaving_one_out():
    sums = np.array([[2.0, 3], [0, 2], [0, 2], [5, 5]])
    without, counts = leave_one_out(sums)
    brute = sorted((sums.sum(axis=0) - row).tolist() for row in sums)
    assert sorted(np.repeat(without, counts, axis=0).tolist()) == brute


def test_one_stream_of_chance_gives_one_interval():
    sums = right_and_wrong(70, 30)
    one, two = (interval(sums, accuracy, np.random.default_rng(5)) for _ in range(2))
    other = interval(sums, accuracy, np.random.default_rng(6))
    assert one == two and one != other


def test_an_interval_of_accuracy_is_near_the_binomials():
    found = interval(right_and_wrong(700, 300), accuracy, np.random.default_rng(0), samples=20_000)
    low, high = stats.binomtest(700, 1000).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=0.25)
    assert (found.estimate, found.clusters, found.method) == (70.0, 1000, "bca")


def test_bca_is_scipys_on_a_skewed_score():
    rng = np.random.default_rng(1)
    values = rng.exponential(size=40)
    sums = np.stack([100 * values, np.ones(40)], axis=1)

    def mean(sums):
        return sums[..., 0] / sums[..., 1]

    ours = interval(sums, mean, np.random.default_rng(2), samples=50_000, bounded=False)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="BCa", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.low == pytest.approx(100 * theirs.low, rel=0.01)
    assert ours.high == pytest.approx(100 * theirs.high, rel=0.01)
    plain = interval(
        sums, mean, np.random.default_rng(2), samples=50_000, method="percentile", bounded=False
    )
    assert plain.high < ours.high  # the correction is what makes the difference


def test_clusters_widen_the_interval_as_their_size_says():
    """Ten equal items a cluster are worth one: the interval is as wide as that of a tenth."""
    sums = right_and_wrong(60, 40)
    copied = np.repeat(sums, 10, axis=0)
    names = np.repeat(np.arange(100), 10).tolist()
    alone = interval(copied, accuracy, np.random.default_rng(0))
    clustered = interval(cluster_sums(copied, names)[1], accuracy, np.random.default_rng(0))
    tenth = interval(sums, accuracy, np.random.default_rng(0))
    assert (clustered.low, clustered.high) == (tenth.low, tenth.high)
    ratio = (clustered.high - clustered.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)


@pytest.mark.parametrize(("right", "wrong"), [(30, 0), (0, 30)])
def test_a_perfect_score_has_an_interval_all_the_same(right, wrong):
    found = interval(right_and_wrong(right, wrong), accuracy, np.random.default_rng(0))
    exact = stats.binomtest(right, 30).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((100 * exact.low, 100 * exact.high))
    assert found.method == "exact"


def test_one_cluster_says_nothing_about_the_next():
    found = interval(np.array([[3.0, 5]]), accuracy, np.random.default_rng(0))
    assert (found.low, found.high, found.method) == (0, 100, "unknown")


def test_f1_counts_work_as_they_come():
    gold = [["B-PER", "O"], ["O", "B-LOC"], ["B-ORG", "I-ORG"]] * 20
    predicted = [["B-PER", "O"], ["O", "O"], ["B-ORG", "O"]] * 20
    counts = METRICS["tag_f1"].count(gold, predicted, "en")
    found = interval(counts, tag_f1, np.random.default_rng(0))
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(float(tag_f1(counts.sum(axis=0))))


def test_a_wider_level_is_wider():
    sums = right_and_wrong(50, 30)
    wide = interval(sums, accuracy, np.random.default_rng(0), level=0.99)
    narrow = interval(sums, accuracy, np.random.default_rng(0), level=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_percentile_is_the_middle_of_what_was_drawn():
    assert percentile(np.arange(101.0), 0.9) == pytest.approx((5.0, 95.0))


def test_without_skew_and_bias_bca_is_the_percentile_interval():
    drawn = np.linspace(-1, 1, 10_001)
    flat = bca(drawn, 0.0, np.array([-1.0, 1.0]), np.array([3, 3]))
    assert flat == pytest.approx(percentile(drawn), abs=1e-3)


def test_nothing_to_resample_is_an_error():
    with pytest.raises(UsageError, match="no items"):
        interval(np.zeros((0, 2)), accuracy, np.random.default_rng(0))
    with pytest.raises(UsageError, match="unknown interval method 'wald'"):
        interval(right_and_wrong(1, 1), accuracy, np.random.default_rng(0), method="wald")

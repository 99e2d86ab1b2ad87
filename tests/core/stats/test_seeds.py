"""Effects over seeds: against a two-way analysis of variance, closed forms and brute force."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xlt.core.errors import UsageError
from xlt.core.stats.seeds import METHODS, _acceleration, pseudo_values, seed_effect, sign_flip


def accuracy(sums):
    return 100 * sums[..., 0] / sums[..., 1]


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def table(values_KG):
    """Counts whose score is the mean of the values."""
    return np.stack([values_KG, np.ones_like(values_KG)], axis=-1)


def test_pseudo_values_of_a_mean_are_the_values():
    values = np.random.default_rng(0).normal(size=(3, 7))
    assert pseudo_values(table(values), mean) == pytest.approx(values)


def test_seeds_that_differ_alone_give_the_t_test_on_seeds():
    """Every cluster says the same: only the seeds vary."""
    by_seed = np.array([1.0, 2.5, 0.5, 3.0, 2.0])
    found = seed_effect(table(np.repeat(by_seed[:, None], 50, axis=1)), mean, None)
    expected = stats.ttest_1samp(by_seed, 0)
    bounds = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))
    assert found.by_seed == pytest.approx(tuple(by_seed))


def test_items_that_differ_alone_give_the_t_test_on_items():
    """Every seed says the same: K seeds are worth one."""
    by_item = np.random.default_rng(1).normal(1, 2, size=30)
    found = seed_effect(table(np.repeat(by_item[None], 4, axis=0)), mean, None)
    expected = stats.ttest_1samp(by_item, 0)
    bounds = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_the_error_is_that_of_the_two_way_layout():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(4, 1)) + rng.normal(size=(1, 9)) + rng.normal(size=(4, 9))
    found = seed_effect(table(values), mean, None)
    grand, rows, columns = values.mean(), values.mean(1, keepdims=True), values.mean(0)
    ms_seed = 9 * ((rows - grand) ** 2).sum() / 3
    ms_item = 4 * ((columns - grand) ** 2).sum() / 8
    ms_rest = ((values - rows - columns + grand) ** 2).sum() / 24
    seed, item = ms_seed / 36, (ms_item - ms_rest) / 36
    assert seed > 0 and item > 0
    assert found.error == pytest.approx(np.sqrt(seed + item))
    for level in (0.8, 0.95, 0.99):
        got = seed_effect(table(values), mean, None, level=level).interval
        t_seed, t_item = (stats.t.ppf((1 + level) / 2, df) for df in (3, 8))
        half = np.sqrt(t_seed**2 * seed + t_item**2 * item)
        assert (got.low, got.high) == pytest.approx((grand - half, grand + half))


@pytest.mark.parametrize("shift", [0.3, 1.0, -2.5])
def test_p_is_the_level_at_which_the_interval_ends_at_zero(shift):
    values = np.random.default_rng(2).normal(size=(4, 30)) + shift
    found = seed_effect(table(values), mean, None)
    edge = seed_effect(table(values), mean, None, level=1 - found.p).interval
    assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-4)


def test_the_detectable_effect_is_that_of_its_parts():
    by_seed = np.array([1.0, 2.5, 0.5, 3.0, 2.0])
    found = seed_effect(table(np.repeat(by_seed[:, None], 50, axis=1)), mean, None)
    error = by_seed.std(ddof=1) / np.sqrt(5)
    expected = (stats.t.ppf(0.975, 4) + stats.t.ppf(0.8, 4)) * error
    assert found.detectable == pytest.approx(expected)


def test_items_never_make_the_error_smaller():
    values = np.array([[1.0, -1], [-1, 1]])  # neither seeds nor items differ, their product does
    found = seed_effect(table(values), mean, None)
    assert found.error == 0 and found.p == 1.0


def test_the_crossed_bootstrap_is_all_draws_of_seeds_and_items():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3, 4)) + rng.normal(size=(3, 1))
    every = [
        values[np.ix_(k, g)].mean()
        for k in itertools.product(range(3), repeat=3)
        for g in itertools.product(range(4), repeat=4)
    ]
    found = seed_effect(
        table(values), mean, np.random.default_rng(0), method="percentile", samples=60_000
    ).interval
    assert (found.low, found.high) == pytest.approx(np.quantile(every, [0.025, 0.975]), abs=0.06)


def test_a_studentised_sample_uses_its_own_error():
    """Against a loop over explicit resamples."""
    rng = np.random.default_rng(5)
    values = rng.normal(1, 1, size=(5, 1)) + rng.normal(size=(5, 12))
    ours = seed_effect(
        table(values), mean, np.random.default_rng(0), method="studentised", samples=20_000
    )
    loop = np.random.default_rng(9)
    t = []
    for _ in range(4000):
        part = values[np.ix_(loop.integers(0, 5, 5), loop.integers(0, 12, 12))]
        rows, columns, grand = part.mean(1), part.mean(0), part.mean()
        rest = ((part - rows[:, None] - columns + grand) ** 2).sum() / 44
        seed, item = 12 * rows.var(ddof=1), 5 * columns.var(ddof=1)
        error = np.sqrt((seed + max(0, item - rest)) / 60)
        if error > 1e-9:
            t.append((grand - values.mean()) / error)
    low, high = np.quantile(t, [0.025, 0.975])
    assert ours.interval.low == pytest.approx(values.mean() - high * ours.error, rel=0.12)
    assert ours.interval.high == pytest.approx(values.mean() - low * ours.error, rel=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_a_difference_is_paired_by_seed_and_item(method):
    """Shared ups and downs cancel: both settings side by side, the score subtracts."""
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 20, size=(6, 1)) + rng.normal(0, 20, size=(1, 40))
    before = table(shared)
    after = table(shared + 2 + rng.normal(0, 1, size=(6, 40)))

    def change(sums):
        return mean(sums[..., 2:]) - mean(sums[..., :2])

    both = np.concatenate([before, after], axis=-1)
    found = seed_effect(both, change, np.random.default_rng(0), method=method)
    assert found.interval.low > 1 and found.interval.high < 3
    assert found.p < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_chance_comes_from_the_generator_only(method):
    values = np.random.default_rng(7).normal(size=(4, 20))
    one, two = (
        seed_effect(table(values), mean, np.random.default_rng(1), method=method) for _ in "ab"
    )
    assert one == two


def test_more_seeds_make_it_more_certain():
    rng = np.random.default_rng(8)
    values = rng.normal(1, 3, size=(20, 1)) + rng.normal(size=(20, 100))
    few = seed_effect(table(values[:4]), mean, None)
    many = seed_effect(table(values), mean, None)
    assert many.error < few.error and many.detectable < few.detectable


def test_exact_flips_of_seeds_have_a_floor():
    assert sign_flip((1.0, 2.0, 3.0, 0.5, 2.0)) == (2 / 32, 2 / 32)
    p, floor = sign_flip((1.0, -2.0, 3.0, 0.5, 2.0, 1.0))
    values = np.array([1.0, -2.0, 3.0, 0.5, 2.0, 1.0])
    brute = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert floor == 2 / 64 and p == pytest.approx(brute)
    with pytest.raises(UsageError, match="too many to flip"):
        sign_flip((1.0,) * 17)


def test_one_seed_has_no_spread():
    with pytest.raises(UsageError, match="1 seeds and 5 clusters"):
        seed_effect(table(np.zeros((1, 5))), mean, None)
    with pytest.raises(UsageError, match="unknown interval method 'z'"):
        seed_effect(table(np.zeros((2, 5))), mean, None, method="z")


def test_acceleration_is_a_sixth_of_the_skewness_of_the_mean():
    """As Efron defines it, where only one of the two levels varies."""
    by_seed = np.array([0.0, 0.1, 0.2, 0.4, 3.0])
    expected = stats.skew(by_seed) / (6 * np.sqrt(5))
    assert _acceleration(np.repeat(by_seed[:, None], 9, axis=1)) == pytest.approx(expected)
    assert _acceleration(np.repeat(by_seed[None], 9, axis=0)) == pytest.approx(expected)

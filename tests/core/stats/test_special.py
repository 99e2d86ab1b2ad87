"""The distributions against scipy and against closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xlt.core.stats.special import normal_quantile, t_cdf, t_quantile


@pytest.mark.parametrize("df", [0.7, 1, 2, 3.4, 4, 9, 30, 1000.5, 1e6])
@pytest.mark.parametrize("x", [-40.0, -3.2, -1.0, -1e-3, 0.0, 0.4, 2.0, 7.5])
def test_t_is_scipys(df, x):
    assert t_cdf(x, df) == pytest.approx(stats.t.cdf(x, df), rel=1e-8, abs=1e-15)


@pytest.mark.parametrize("df", [1, 2.5, 4, 29, 1e5])
@pytest.mark.parametrize("p", [1e-6, 0.025, 0.5, 0.8, 0.975, 0.99999])
def test_quantiles_are_scipys(df, p):
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-12)


@given(st.floats(-50, 50))
def test_t_with_one_and_two_degrees_has_a_closed_form(x):
    assert t_cdf(x, 1) == pytest.approx(0.5 + math.atan(x) / math.pi, abs=1e-12)
    assert t_cdf(x, 2) == pytest.approx(0.5 + x / (2 * math.sqrt(2 + x * x)), abs=1e-12)


@given(st.floats(0.001, 0.999), st.floats(0.5, 200))
def test_quantile_undoes_the_tail_area(p, df):
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


def test_infinite_degrees_are_the_normal_distribution():
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959963984540054)
    assert normal_quantile(0) == -math.inf and normal_quantile(1) == math.inf

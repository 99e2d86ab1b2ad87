"""What the warm-up makes of its timings."""

import pytest

from xlt.serve.compute.lanes import FIXED_TOKENS
from xlt.serve.compute.warmup import _fixed_tokens


def timings(fixed, per_token, sizes=(18, 36, 72, 144, 288)):
    return [(size, fixed + per_token * size) for size in sizes]


def test_the_cost_of_a_batch_is_found_in_tokens():
    assert _fixed_tokens(timings(0.0015, 0.0002)) == pytest.approx(7.5)
    assert _fixed_tokens(timings(0.0, 0.0002)) == pytest.approx(0.0, abs=1e-9)


def test_where_batches_are_free_the_largest_is_worth_padding_for():
    assert _fixed_tokens(timings(0.002, 0.0)) == 288
    assert _fixed_tokens(timings(0.002, -1e-6)) == 288


def test_a_single_timing_shows_nothing_and_noise_no_cost():
    assert _fixed_tokens([(18, 0.004)]) == FIXED_TOKENS
    assert _fixed_tokens(timings(-0.001, 0.0002)) == 0

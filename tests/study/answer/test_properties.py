"""Whatever the numbers: signs, symmetries and bounds that every answer must have."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xlt.core.stats.seeds import effect_of_values
from xlt.study.answer.difference import difference, exchange
from xlt.study.answer.finding import Finding, correct
from xlt.study.answer.verdict import verdict

SEEDS = st.integers(2, 7)
RANDOM = st.integers(0, 2**32 - 1)
EFFECTS = arrays(float, st.integers(3, 8), elements=st.floats(-50, 50).map(lambda x: round(x, 3)))
FEW = settings(max_examples=40, deadline=None)


def simulated(random, seeds, size):
    """Pseudo-values of an effect of `size` points: seeds, items and both together vary."""
    rng = np.random.default_rng(random)
    noise = 0.5 * rng.normal(size=(seeds, 1)) + 5 * rng.normal(size=(1, 60))
    return size + noise + 5 * rng.normal(size=(seeds, 60))


def finding(random, seeds, size, **more):
    effect = effect_of_values((v := simulated(random, seeds, size)), v.mean(axis=1))
    return Finding(**{
        "kind": "effect", "arm": "mnli", "baseline": "none", "tasks": ("xnli",), "langs": ("de",),
        "estimate": effect.interval.estimate, "low": effect.interval.low,
        "high": effect.interval.high, "p": effect.p, "adjusted": effect.p,
        "detectable": effect.detectable, "seeds": seeds, "units": seeds, "clusters": 60, **more,
    })  # fmt: skip


@FEW
@given(RANDOM, st.integers(5, 8), st.sampled_from([-1, 1]))
def test_an_effect_beyond_what_is_detectable_is_told_with_its_sign(random, seeds, sign):
    """Twice the detectable size of the same noise, whose power is beyond 99.9 %."""
    size = sign * 3 * finding(random, seeds, 0.0).detectable
    found = finding(random, seeds, size)
    assert found.sure
    assert verdict(found).startswith("It helps:" if sign > 0 else "It harms:")
    assert math.copysign(1, found.low) == math.copysign(1, found.high) == sign


@FEW
@given(RANDOM, SEEDS)
def test_a_verdict_of_help_or_harm_has_an_interval_on_that_side(random, seeds):
    found = finding(random, seeds, 0.0)
    said = verdict(found)
    excluded = found.low > 0 or found.high < 0
    assert excluded == found.sure == ("It h" in said)
    assert ("cannot tell" in said) != found.sure
    assert said.count(". ") <= 1


@FEW
@given(RANDOM, SEEDS, st.floats(-3, 3))
def test_arm_and_baseline_exchanged_give_the_mirror_image(random, seeds, size):
    values = simulated(random, seeds, size)
    one = effect_of_values(values, values.mean(axis=1))
    other = effect_of_values(-values, -values.mean(axis=1))
    assert one.interval.low == pytest.approx(-other.interval.high)
    assert one.p == pytest.approx(other.p)
    assert one.detectable == pytest.approx(other.detectable)


@FEW
@given(RANDOM, SEEDS)
def test_the_order_of_seeds_and_items_does_not_matter(random, seeds):
    values = simulated(random, seeds, 1.0)
    rng = np.random.default_rng(random)
    mixed = values[rng.permutation(seeds)][:, rng.permutation(60)]
    one, other = (effect_of_values(v, v.mean(axis=1)) for v in (values, mixed))
    assert one.p == pytest.approx(other.p)
    assert one.interval.low == pytest.approx(other.interval.low)


@FEW
@given(EFFECTS, st.data())
def test_the_exchange_of_units_is_bounded_and_blind_to_a_shift(effects, data):
    size = data.draw(st.integers(1, len(effects) - 1))
    first = np.arange(len(effects)) < size
    one = exchange(effects[None], first)
    assert one.floor <= one.p <= 1
    assert one.ways == math.comb(len(effects), size)
    shifted = exchange(effects[None] + 7.0, first)
    assert shifted.estimate == pytest.approx(one.estimate, abs=1e-6)
    assert shifted.p == pytest.approx(one.p)
    swapped = exchange(effects[None], ~first)
    assert swapped.estimate == pytest.approx(-one.estimate, abs=1e-6)
    assert swapped.p == pytest.approx(one.p)


@FEW
@given(RANDOM, st.integers(2, 6), st.sampled_from([-1, 1]))
def test_a_difference_between_groups_is_never_surer_than_the_exchange_allows(random, seeds, sign):
    rng = np.random.default_rng(random)
    values = rng.normal(size=(7, seeds, 30))
    values[:3] += sign * 5
    first = np.arange(7) < 3
    whole = values[:3].mean(axis=0) - values[3:].mean(axis=0)
    found = difference(
        {"first": list(values[:3]), "second": list(values[3:])},
        values.mean(axis=(1, 2))[None], first, whole,
    )  # fmt: skip
    assert found.p >= found.exchanges.floor == 1 / 35
    assert math.copysign(1, found.exchanges.estimate) == sign
    assert found.low < found.exchanges.estimate < found.high


@FEW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_correction_keeps_the_order_and_never_lowers_p(values):
    found = correct([finding(1, 3, 0.0, p=p, adjusted=p) for p in values])
    assert all(one.adjusted >= one.p - 1e-12 for one in found)
    by_p = sorted(found, key=lambda one: one.p)
    assert all(a.adjusted <= b.adjusted + 1e-12 for a, b in itertools.pairwise(by_p))

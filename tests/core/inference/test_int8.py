"""A CPU that multiplies bytes wrongly is found before it answers."""

import numpy as np
import pytest

from xlt.core.errors import ModelError
from xlt.core.inference import int8
from xlt.core.inference.int8 import check_int8, wrong_products
from xlt.core.inference.session import Session


@pytest.fixture(autouse=True)
def fresh():
    wrong_products.cache_clear()
    yield
    wrong_products.cache_clear()


def test_weights_within_64_are_exact_on_every_cpu():
    assert wrong_products(64) == ""


def test_a_cpu_that_overflows_is_exit_4_and_the_other_variant_is_named(monkeypatch):
    run = Session.run

    def overflow(self, feeds, outputs):
        found = run(self, feeds, outputs)
        if len(feeds["a"]) == 33:  # one shape alone, as a faulty kernel would
            found[0][-1, -1] += 1
        return found

    monkeypatch.setattr(Session, "run", overflow)
    with pytest.raises(ModelError, match=r"33 x 32 by 32 x 32") as caught:
        check_int8()
    assert caught.value.exit_code == 4
    assert "--precision int8" in caught.value.hint


def test_the_probe_uses_the_largest_numbers_there_are():
    weight_KN = int8._numbers(64, 48, 3) % 255 - 127
    assert (weight_KN.min(), weight_KN.max()) == (-127, 127)
    byte_RK = int8._numbers(130, 500, 7) % 256
    assert (byte_RK.min(), byte_RK.max()) == (0, 255)
    assert max(width for width, _ in int8.WEIGHTS) * 255 * 127 < 2**24
    assert np.unique(weight_KN).size > 200

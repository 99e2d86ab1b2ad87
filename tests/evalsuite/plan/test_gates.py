"""Floors of --min-score are read before any work is done."""

import pytest

from xlt.core.errors import UsageError
from xlt.evalsuite.plan.gates import parse_floors

PLANNED = {"xnli": ["de", "en", "sw"], "udpos": ["de"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("xnli", "is not TASK=X"),
        ("xnli=high", "is not TASK=X"),
        ("xnli=600", r"0\.\.100"),
        ("xnli=nan", "is not TASK=X"),
        ("xnly=60", "'xnly' is not evaluated here; did you mean 'xnli'"),
        ("udpos.sw=60", "udpos is not evaluated in 'sw' here"),
    ],
)
def test_wrong_floors_are_refused_before_the_work(text, message):
    with pytest.raises(UsageError, match=message):
        parse_floors([text], PLANNED)

"""The gates --min-score and --max-drop."""

from pathlib import Path

import pytest

from xlt.core.errors import UsageError
from xlt.evalsuite.plan.gates import parse_floors
from xlt.evalsuite.report.checks import failed_drops, failed_floors
from xlt.evalsuite.report.results import Results

PLANNED = {"xnli": ["de", "en", "sw"], "udpos": ["de"]}


def results(split="test", **scores):
    cells = [{"task": "xnli", "lang": lang, "score": score} for lang, score in scores.items()]
    known = [score for score in scores.values() if score is not None]
    average = {"xnli": {"avg_metric": sum(known) / len(known)}} if known else {}
    return Results(path=Path("R"), record={"split": split, "cells": cells, "tasks": average})


def test_floors_are_read_and_checked():
    floors = parse_floors(["xnli.sw=60, xnli=70", "xnli.de=10"], PLANNED)
    assert [floor.name for floor in floors] == ["xnli.sw", "xnli", "xnli.de"]
    assert failed_floors(results(en=80.0, sw=59.99, de=70.0), floors) == [
        "xnli.sw is 59.99, below 60",
        "xnli is 69.99667, below 70",
    ]
    assert failed_floors(results(en=80.0, sw=60.0, de=70.0), floors) == []


def test_a_cell_without_score_does_not_reach_a_floor():
    floors = parse_floors(["xnli.sw=0"], PLANNED)
    assert failed_floors(results(en=80.0, sw=None), floors) == ["xnli.sw has no score, 0 is needed"]


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


def test_drops_are_counted_per_language():
    before, now = results(en=80.0, sw=60.0, th=50.0), results(en=79.6, sw=59.0, de=10.0)
    assert failed_drops(now, before, 0.5) == ["xnli.sw fell by 1.00 (60.00 to 59.00)"]
    assert failed_drops(now, before, 1.0) == []


def test_results_that_cannot_be_compared_are_refused():
    with pytest.raises(UsageError, match="no task and language in common"):
        failed_drops(results(en=1.0), results(sw=1.0), 0.5)
    with pytest.raises(UsageError, match="holds the split 'dev'"):
        failed_drops(results(en=1.0), results(split="dev", en=1.0), 0.5)

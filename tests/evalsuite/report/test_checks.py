"""The gates --min-score and --max-drop."""

from pathlib import Path

from xlt.evalsuite.plan.gates import parse_floors
from xlt.evalsuite.report.checks import failed_drops, failed_floors
from xlt.evalsuite.report.compare import Compared
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
    assert failed_floors(results(en=80.0, sw=59.99, de=70.0), floors, {}) == [
        "xnli.sw is 59.99, below 60",
        "xnli is 69.99667, below 70",
    ]
    assert failed_floors(results(en=80.0, sw=60.0, de=70.0), floors, {}) == []


def test_a_floor_that_looks_at_missing_languages_is_not_reached():
    """A mean over fewer languages passed when a weak language had vanished."""
    floors = parse_floors(["xnli=70", "xnli.sw=0"], PLANNED)
    found = results(en=80.0, de=75.0, sw=None)
    assert failed_floors(found, floors, {"xnli": ["sw"]}) == [
        "xnli looks at missing scores: sw",
        "xnli.sw looks at missing scores: sw",
    ]
    assert failed_floors(found, floors, {}) == []
    assert failed_floors(results(sw=None), floors, {}) == ["xnli has no score, 70 is needed"]


def compared(lang, before, now, n=10, n_before=10, n_common=10):
    return Compared(task="xnli", lang=lang, n=n, n_before=n_before, n_common=n_common,
                    before=before, now=now)  # fmt: skip


def test_drops_are_counted_per_language():
    found = [compared("en", 80.0, 79.6), compared("sw", 60.0, 59.0)]
    assert failed_drops(found, 0.5, {}) == ["xnli.sw fell by 1.00 (60.00 to 59.00)"]
    assert failed_drops(found, 1.0, {}) == []


def test_no_gate_holds_on_other_items_or_vanished_languages():
    found = [compared("en", 80.0, 85.0, n=9, n_common=9)]
    assert failed_drops(found, 0.5, {"xnli": ["sw"]}) == [
        "xnli.en has other items than before (9 common of 9 and 10): no gate can hold",
        "xnli.sw is missing",
    ]

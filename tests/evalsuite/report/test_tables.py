"""Tables fit 80 columns whatever is in them, and say over what a mean is."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlt.core.metrics.averages import summarise
from xlt.core.tasks.languages import LANGUAGES
from xlt.core.tasks.table import TASKS
from xlt.evalsuite.report.families import group_means
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.tables import fold, render


def accuracy_task(name):
    """The task with a metric of one number, so that these tests need one number a language."""
    return replace(TASKS[name], metric="accuracy")


def results(task, langs, constructed=(), **bundle):
    cells = [
        {
            "bundle": "m", "task": task, "lang": lang, "split": "test", "n": 123456,
            "score": 50.0 + n, "metrics": {"accuracy": 50.0 + n}, "baseline": {}, "key": "k",
            "flags": [], "predictions": None,
        }
        for n, lang in enumerate(langs)
    ]  # fmt: skip
    scores = {cell["lang"]: cell["score"] for cell in cells}
    record = {
        "split": "test", "precision": "fp32", "bundles": {"m": {"task": task, **bundle}},
        "cells": cells, "missing": {},
        **summarise({task: {"accuracy": scores}}, extra={task: accuracy_task(task)},
                    constructed=constructed),
        "families": {task: group_means(scores, LANGUAGES)},
        "languages": {lang: {"constructed": lang in constructed} for lang in langs},
    }  # fmt: skip
    return Results(path=Path("R"), record=record)


def test_forty_languages_are_folded_and_none_is_lost():
    langs = TASKS["panx"].languages
    text = render(results("panx", langs))
    assert max(map(len, text.splitlines())) <= 80
    headers = [line.split() for line in text.splitlines() if line.startswith("         ")]
    assert [code for header in headers for code in header] == list(langs)
    assert "mean of" not in text


def test_languages_beyond_the_official_ones_are_named():
    text = render(results("xquad", ["en", "ro"]))
    assert "beyond the official languages, in no mean: ro 51.0" in text
    assert "mean of 1: en" in text
    assert "partial mean 50.0" in text


def test_a_language_beyond_the_official_ones_changes_no_official_mean():
    official = TASKS["xquad"].languages
    one = [results("xquad", langs).score("xquad") for langs in (official, [*official, "ro"])]
    assert one[0] == one[1]
    text = render(results("xquad", [*official, "ro"]))
    assert f"mean {one[0]:.1f}" in text
    assert "partial" not in text


def test_constructed_languages_are_named_as_such():
    text = render(results("xnli", ["en", "sw"], constructed={"sw"}))
    assert "constructed languages, not XTREME: sw" in text


def test_the_encoders_block_and_pooling_are_told():
    found = results("tatoeba", ["de"], pooling="mean", layer=14, layers=24)
    assert "vectors: layer 14, pooling mean" in render(found)


def test_english_dev_baselines_of_the_run_are_told():
    baseline = {"label": "NOUN", "majority": {"token_accuracy": 17.0},
                "per_word": {"token_accuracy": 84.26}}  # fmt: skip
    text = render(results("udpos", ["de"], baseline=baseline))
    assert "baselines on English dev: majority 17.0  per word 84.3" in text


@pytest.mark.parametrize("width", [80])
@given(items=st.lists(st.text("abc", min_size=1, max_size=30), max_size=40))
def test_folding_keeps_every_item_in_order(width, items):
    text = fold("some label", items)
    assert text.replace("\n", " ").split()[2:] == items
    assert all(len(line) <= width for line in text.splitlines())


def test_the_last_block_is_one_row_a_task_with_its_worst_language():
    text = render(results("xquad", ["de", "en", "ar", "ro"]))
    header, _, row, *_ = text.split("\n\n")[-1].splitlines()
    assert header.split() == ["task", "score", "langs", "English", "others", "gap", "worst",
                              "unseen"]  # fmt: skip
    assert row.split() == ["xquad", "51.0*", "3", "51.0", "51.0", "0.0", "de", "50.0", "-"]
    assert max(map(len, text.splitlines())) <= 80

"""The comparison of two arms: means over the other languages, changes by family."""

import pytest

from xlt.core.tasks.languages import LANGUAGES
from xlt.study.demo.compare import compare, findings, text_table, transfer_rows


def results(xnli, tatoeba, baselines=()):
    return {
        "tasks": {"xnli": {"accuracy": xnli}, "tatoeba": {"accuracy": tatoeba}},
        "cells": [
            {"task": "xnli", "lang": lang, "baseline": {"accuracy": value}}
            for lang, value in baselines
        ],
    }


@pytest.fixture
def arms():
    return {
        "static": {"tasks": {"tatoeba": {"accuracy": {"de": 10.0, "fi": 30.0}}}},
        "direct": results(
            {"en": 80.0, "de": 60.0, "fi": 40.0}, {"de": 50.0, "fi": 70.0},
            [("en", 99.0), ("de", 33.0), ("fi", 35.0)],
        ),
        "intermediate": results({"en": 81.0, "de": 66.0, "fi": 38.0}, {"de": 40.0, "fi": 50.0}),
    }  # fmt: skip


def test_means_leave_english_out_and_keep_the_sign(arms):
    xnli, tatoeba = compare(arms)
    assert (xnli.task, xnli.english("direct"), xnli.others("direct")) == ("xnli", 80.0, 50.0)
    assert xnli.change == pytest.approx(2.0)
    assert xnli.baseline == pytest.approx(34.0)
    assert tatoeba.english("direct") is None
    assert tatoeba.baseline == pytest.approx(20.0)
    assert tatoeba.change == pytest.approx(-15.0)


def test_a_uniform_pick_is_the_baseline_of_questions(arms):
    arms["direct"]["tasks"]["xquad"] = {"exact_match": {"en": 90.0, "de": 50.0}}
    rows = compare(arms, {"xquad": {"en": 20.0, "de": 26.0}})
    assert [(row.task, row.metric, row.baseline) for row in rows if row.task == "xquad"] == [
        ("xquad", "exact_match", 26.0)
    ]


def test_changes_by_family_average_over_its_languages_only(arms):
    families = {code: language.family for code, language in LANGUAGES.items()}
    found = {(task, group): (change, n) for task, group, change, n in
             transfer_rows(compare(arms), families)}  # fmt: skip
    assert found[("xnli", "Uralic")] == (pytest.approx(-2.0), 1)
    assert found[("xnli", "Indo-European")] == (pytest.approx(6.0), 1)


def test_an_arm_without_a_task_shows_a_gap_not_a_number(arms):
    del arms["intermediate"]["tasks"]["tatoeba"]
    row = compare(arms)[1]
    assert row.change is None
    assert text_table(compare(arms), "mnli").splitlines()[-1].split()[-1] == "-"


def test_what_is_said_of_one_run_concludes_nothing_about_the_phase(arms):
    said = findings(compare(arms))
    assert said[0].startswith("The path works: 2 tasks")
    assert "xnli" in next(line for line in said if "clearly above" in line)
    assert any(line.startswith("Retrieval, tatoeba: 60.0, above the 20.0") for line in said)
    assert "says nothing about the intermediate phase" in said[-1]
    arms["intermediate"] = results({"en": 1.0, "de": 1.0, "fi": 1.0}, {"de": 99.0, "fi": 99.0})
    assert findings(compare(arms)) == said


def test_terminal_table_fits_80_columns(arms):
    assert max(map(len, text_table(compare(arms), "hellaswag").splitlines())) <= 80

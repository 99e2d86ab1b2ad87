"""What else goes with families: ranks, exchanges, sizes, and the table beside the difference."""

import json

import numpy as np
import pytest
from scipy import stats

from xlt.core.tasks.table import TARGETS, TASKS
from xlt.study.report.build import build_report
from xlt.study.report.secondary import pretraining_gigabytes, rank_correlation


def test_the_rank_correlation_is_spearmans_and_its_test_counts_all_orders():
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(2, 6))
    second[2] = second[3]
    rho, p = rank_correlation(first, second)
    assert rho == pytest.approx(stats.spearmanr(first, second).statistic)

    def again(values):
        return stats.spearmanr(first, values).statistic

    exact = stats.permutation_test(
        (second,), again, permutation_type="pairings", n_resamples=np.inf
    )
    assert p == pytest.approx(exact.pvalue)


def test_nothing_correlates_with_a_constant():
    assert rank_correlation(np.arange(5.0), np.ones(5)) == (0.0, 1.0)


def test_every_language_of_xtreme_has_a_size():
    sizes = pretraining_gigabytes()
    assert {code for name in TARGETS for code in TASKS[name].languages} <= set(sizes)
    assert sizes["en"] == max(sizes.values())
    assert sizes["yo"] == pytest.approx(0.0011)


def test_a_study_of_families_shows_what_else_they_differ_in(made_up):
    folder = made_up(
        langs=("en", "de", "el", "hi", "fr", "sw", "tr", "vi"),
        estimand={"kind": "effect_difference", "between": ["non-indo-european", "indo-european"]},
    )
    pieces = {"de": 1.4, "el": 1.9, "hi": 1.5, "fr": 1.3, "sw": 1.8, "tr": 1.7, "vi": 1.1}
    for place in (folder / "store").glob("eval-*"):
        cells = {f"xnli/test-{k}": {"tokens": {"tokens_per_word": v}} for k, v in pieces.items()}
        (place / "measured.json").write_text(json.dumps({"cells": cells}))
    report = build_report(folder)
    sheet = report.sheets()[0]
    rows = {row["branch or family"]: row for row in sheet.to_json()["rows"]}
    assert rows["Turkic"]["pieces a word"] == pytest.approx(1.7)
    assert rows["Austro-Asiatic"]["gigabytes"] == pytest.approx(28)
    assert rows["Germanic"]["Indo-European"] == "yes"
    assert "with pieces a word" in sheet.note and "7 units" in sheet.note
    assert "What else the families differ in" in report.html()


def test_other_questions_have_no_such_table(made_up):
    assert all(sheet.name != "secondary" for sheet in build_report(made_up(seeds=2)).sheets())

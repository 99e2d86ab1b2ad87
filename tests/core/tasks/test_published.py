"""Published scores: all verified cells of the sheet, no other, in percent."""

import json

import pytest

from xlt.core.metrics.table import get_metric
from xlt.core.tasks.published import published, published_changes
from xlt.core.tasks.table import TARGETS, TASKS

SHORT = {"em": "exact_match", "f1": "f1"}
ALL = [row for task in TARGETS for row in published(task)]


def means():
    return {(row.model, row.task, row.metric): row.mean for row in ALL if row.mean is not None}


def test_every_row_is_of_a_task_its_metric_and_its_languages():
    assert len({(row.model, row.task, row.metric) for row in ALL}) == len(ALL) > 20
    for row in ALL:
        task = TASKS[row.task]
        assert row.metric in get_metric(task.metric).scores
        assert set(row.langs) <= set(task.languages)
        assert row.langs or row.mean is not None
        assert all(0 < value < 100 for value in [*row.langs.values(), row.mean or 1])
        assert row.source and row.about


def test_where_languages_and_mean_are_known_they_agree():
    both = [row for row in ALL if row.langs and row.mean is not None]
    assert both
    for row in both:
        assert set(row.langs) == set(TASKS[row.task].languages)
        assert sum(row.langs.values()) / len(row.langs) == pytest.approx(row.mean, abs=0.06)


def test_a_task_that_nobody_published_has_no_rows():
    assert published("mnli") == () == published("udpos")


@pytest.fixture
def sheet(shared_docs):
    return json.loads((shared_docs / "published.json").read_text(encoding="utf-8"))


def test_means_are_the_verified_ones_and_no_others(sheet):
    wanted = {}
    groups = {m: sheet["xtreme_baselines_per_task"][m] for m in ("mBERT", "XLM", "XLM-R", "MMTE")}
    groups["X-STILTs"] = sheet["phang2020"]["best_models_xtreme"]
    for model, cells in groups.items():
        for name, cell in cells.items():
            task, _, short = name.partition("_")
            if name == "avg" and cell[1]:
                wanted[model, "all", "score"] = cell[0]
            elif task in TASKS and cell[1]:
                metric = SHORT[short] if short else get_metric(TASKS[task].metric).headline[0]
                wanted[model, task, metric] = cell[0]
    found = means() | {(r.model, r.task, r.metric): r.mean for r in published("all")}
    assert found == wanted


def test_languages_are_the_verified_ones_and_no_others(sheet):
    wanted = {
        (model, *name.split("_", 1)): table[model]["langs"]
        for name, table in sheet["per_language"].items()
        if table["verified"]
        for model in table
        if isinstance(table[model], dict)
    }
    paper = sheet["mlqa_paper_baselines_f1"]
    assert paper["verified"]
    for model in ("mBERT", "XLM"):
        wanted[f"{model} (MLQA paper)", "mlqa", "f1"] = paper[model]
    assert {(r.model, r.task, r.metric): dict(r.langs) for r in ALL if r.langs} == wanted


def test_the_changes_of_the_paper_are_those_that_were_read():
    found = {(row.arm, row.version): row.points for row in published_changes()}
    final = {arm: points for (arm, version), points in found.items() if version == "final"}
    assert final == {
        "squad": 8.2, "mnli": 7.5, "hellaswag": 7.0, "all": 8.7, "best per target": 5.4,
    }  # fmt: skip
    assert len(found) == 7
    assert all(row.source and row.about for row in published_changes())

"""The report of made-up studies: the answer first, all tables, every form, no folder harmed."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from xlt.study.commands import study
from xlt.study.report.build import build_report
from xlt.study.report.drawings import _by_task, axis_curves, first_figure

pytest.importorskip("jinja2")  # the light environment has no pages


def planted(arm, task, lang, axes):
    return {"mnli": 0.4, "harm": -0.4}.get(arm, 0.0)


@pytest.fixture(scope="module")
def folder(made_up):
    return made_up(
        arms=("none", "mnli", "harm", "null"), targets=("xnli", "pawsx", "tatoeba"),
        langs=("en", "de", "fr", "ru", "sw", "tr"), effect=planted, estimand={"arms": ["mnli"]},
    )  # fmt: skip


def run(*words):
    return CliRunner().invoke(study, ["report", *map(str, words)])


def test_the_page_opens_with_the_question_the_answer_and_a_figure(folder):
    done = run(folder)
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_text()
    body = page[page.index("<body>") :]
    question, sentence = body.index("Does it help?"), body.index("It helps:")
    assert question < sentence < body.index("<svg") < body.index("<table")
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", page)
    assert (folder / "table.csv").read_text().startswith("study,cell,arm,target,task,lang,")
    assert "It helps: mnli, against none" in done.stdout


def test_harm_and_help_are_marked_in_the_matrix_and_nothing_is_not(folder):
    sheet = {s.name: s for s in build_report(folder).sheets()}["transfer"].to_json()["rows"]
    by_arm = {(row["arm"], row["target"]): row for row in sheet}
    for task in ("xnli", "pawsx", "tatoeba"):
        assert by_arm["mnli", task]["low"] > 0
        assert by_arm["harm", task]["high"] < 0
        assert float(by_arm["mnli", task]["p corrected"].removeprefix("< ")) <= 0.05
    assert {row["standing"] for row in sheet} == {"exploratory"}, "none of these was registered"
    assert float(by_arm["null", "xnli, pawsx, tatoeba"]["p corrected"]) > 0.05


def test_a_point_has_a_price_only_where_a_gain_is_sure(folder):
    sheet = {s.name: s for s in build_report(folder).sheets()}["cost"].to_json()["rows"]
    rows = {row["arm"]: row for row in sheet}
    # three targets a minute each, and one intermediate training of two minutes that they share
    assert rows["mnli"]["minutes"] == pytest.approx(5.0)
    assert rows["mnli"]["more than the baseline"] == pytest.approx(2.0)
    price = 2.0 / rows["mnli"]["points gained"]
    assert rows["mnli"]["minutes per point"] == pytest.approx(price)
    assert rows["harm"]["minutes per point"] is None
    assert rows["null"]["minutes per point"] is None


def costs(folder):
    sheet = {s.name: s for s in build_report(folder).sheets()}["cost"].to_json()["rows"]
    return {row["arm"]: row for row in sheet}


def test_equal_trainings_cost_the_same_whatever_their_seeds(made_up):
    rows = costs(
        made_up(arms=("none", "a", "b"), targets=("pawsx", "xnli"), arm_seeds={"b": 3},
                single=("xnli",), estimand={"arms": ["a"]})
    )  # fmt: skip
    assert rows["a"]["minutes"] == rows["b"]["minutes"] == pytest.approx(4.0)
    assert rows["a"]["more than the baseline"] == pytest.approx(2.0)
    assert rows["b"]["more than the baseline"] == pytest.approx(2.0)


def test_an_arm_without_one_target_is_priced_on_the_mean_of_those_it_has(made_up):
    def effect(arm, task, lang, axes):
        return {"pawsx": -0.5, "xnli": 0.5}.get(task, 0.0) if arm == "longer" else 0.0

    rows = costs(
        made_up(arms=("none", "mnli", "longer"), targets=("pawsx", "xnli", "tatoeba"),
                arm_targets={"longer": ("pawsx", "xnli")}, effect=effect)
    )  # fmt: skip
    assert rows["longer"]["on"] == "pawsx, xnli"
    assert abs(rows["longer"]["points gained"]) < 5
    assert rows["longer"]["minutes per point"] is None
    assert rows["longer"]["more than the baseline"] == pytest.approx(2.0)


def test_the_same_data_has_no_price(made_up):
    rows = costs(
        made_up(targets=("pawsx", "xnli"), same_data=(("mnli", "xnli"),),
                effect=lambda arm, task, *_: 1.0 * (arm == "mnli" and task == "xnli"))
    )  # fmt: skip
    assert rows["mnli"]["on"] == "pawsx"
    assert rows["mnli"]["minutes per point"] is None


def test_the_first_figure_and_the_tables_agree_on_what_is_sure(made_up):
    """Bars of single targets were filled by their own p, below a caption that says corrected."""
    for number in range(8):
        found = build_report(
            made_up(arms=("none", "mnli", "b", "c"), targets=("xnli", "pawsx", "udpos", "panx"),
                    number=number, seeds=3)
        ).answer  # fmt: skip
        rows = {f.tasks: f for f in found.findings
                if (f.kind, f.group, f.arm) == ("effect", "transfer", "mnli")}  # fmt: skip
        bars = {bar.label: bar.sure for bar in _by_task(found, found.primary[0])}
        assert bars == {task: rows[task,].sure for task in ("xnli", "pawsx", "udpos", "panx")}


def test_published_rows_are_labelled_and_come_after_ours(folder):
    sheet = {s.name: s for s in build_report(folder).sheets()}["published"]
    whose = [row[0] for row in sheet.rows]
    assert set(whose) == {"this study", "published"}
    assert whose == sorted(whose, reverse=True)
    assert all(row[4] for row in sheet.rows)


def test_markdown_names_what_is_missing(made_up):
    text = build_report(made_up(unfinished=("mnli-xnli-2",))).markdown()
    assert "- not finished: mnli-xnli-2" in text


def test_missing_cells_are_named_and_the_rest_is_answered(made_up):
    report = build_report(made_up(effect=planted, unfinished=("mnli-xnli-3",)))
    page = report.html()
    assert "<li>mnli-xnli-3</li>" in page
    assert "1 of 10 cells are not finished" in page
    assert report.answer.primary[0].seeds == 4


def test_one_seed_says_so_at_the_top(made_up):
    page = build_report(made_up(seeds=1, effect=planted)).html()
    assert "No conclusion: one seed." in page[: page.index("<svg")]


@pytest.mark.parametrize(
    "settings",
    [
        {"estimand": {"kind": "trend", "over": "train_examples"},
         "axes": {"train_examples": ["1%", "10%", None]}},
        {"estimand": {"kind": "effect_difference",
                      "between": ["non-indo-european", "indo-european"]},
         "langs": ("en", "de", "ru", "hi", "fr", "sw", "tr", "vi")},
        {"estimand": {"kind": "best_of", "arms": ["each"]}, "arms": ("none", "a", "b"),
         "targets": ("xnli", "pawsx"), "baseline_seeds": 10},
        {"estimand": {"arms": ["each"]}, "arms": ("none", "a", "b")},
    ],
    ids=["trend", "difference", "best", "each"],
)  # fmt: skip
def test_every_kind_of_question_has_a_page(made_up, settings):
    report = build_report(made_up(effect=planted, **settings))
    page = report.html()
    assert report.answer.primary
    assert page.index(report.answer.sentence.split(";")[0][:30]) < page.index("<svg")
    assert not re.search(r"\b(nan|inf)\b", page)
    assert json.loads(report.text("json"))["sentence"] == report.answer.sentence
    assert report.answer.sentence in report.text("markdown")


def test_csv_holds_every_score(folder):
    done = run(folder, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    # four arms, five units, two targets in six languages and retrieval in five; two metrics
    assert len(rows) == 4 * 5 * (6 + 6 + 5) * 2
    assert {row["pick"] for row in rows} == {"English-dev pick"}


def test_a_folder_is_no_file_to_write(folder, tmp_path):
    done = run(folder, "--out", tmp_path)
    assert done.exit_code != 0
    assert "is a folder" in str(done.exception)


def test_curves_do_not_mix_the_points_of_another_axis(made_up):
    def effect(arm, task, lang, axes):
        return (0.4 if axes["updates"] == "fixed" else -0.4) * (arm == "mnli")

    report = build_report(made_up(
        effect=effect, axes={"train_examples": ["1%", "10%", None], "updates": ["epochs", "fixed"]},
        estimand={"kind": "trend", "over": "train_examples"},
    ))  # fmt: skip
    figures = dict(axis_curves(report.answer))
    assert [caption.partition("English")[2] for caption in figures] == [
        ", updates epochs", ", updates fixed",
    ]  # fmt: skip
    _, first = first_figure(report.answer)
    assert "mnli (updates epochs)" in first and "mnli (updates fixed)" in first

"""What a newcomer needs first: how the arms train, what the targets ask, no empty columns."""

import json

import pytest

from xlt.study.report.build import build_report

pytest.importorskip("jinja2")  # the light environment has no pages
ARMS = [
    {"name": "none"},
    {"name": "seq", "intermediate": ["mnli", "squad,ccg"], "phase": {"steps": "300"}},
    {"name": "dealt", "intermediate": ["mnli"], "control": "shuffled"},
    {"name": "longer", "intermediate": ["mnli"], "control": "longer"},
    {"name": "both", "joint": "mnli", "target": {"epochs": "2"}},
]


@pytest.fixture(scope="module")
def folder(made_up):
    names = tuple(arm["name"] for arm in ARMS)
    out = made_up(arms=names, targets=("xnli", "tatoeba"), seeds=1, estimand={"arms": ["seq"]})
    plan = json.loads((out / "plan.json").read_text())
    (out / "plan.json").write_text(json.dumps({**plan, "arms": ARMS}))
    return out


def rows(report, name):
    sheet = {one.name: one for one in report.sheets()}[name].to_json()
    return {next(iter(row.values())): list(row.values())[1:] for row in sheet["rows"]}


def test_every_arm_says_how_it_trains(folder):
    assert rows(build_report(folder), "arms") == {
        "none (baseline)": ["nothing", "", ""],
        "seq": ["mnli, then squad + ccg", "", "steps 300 (phases)"],
        "dealt": ["mnli, its labels dealt out anew", "", ""],
        "longer": ["nothing", "", "the target takes the steps of mnli on top of its own"],
        "both": ["nothing", "mnli", "epochs 2 (target)"],
    }


def test_every_target_says_what_it_asks_and_in_how_many_languages(folder):
    found = rows(build_report(folder), "targets")
    assert list(found) == ["xnli", "tatoeba"]
    assert "imply" in found["xnli"][0] and "translation" in found["tatoeba"][0]
    assert [found[name][1] for name in found] == [4, 4]


def test_one_seed_shows_no_columns_of_dashes_and_promises_no_intervals(folder):
    page = build_report(folder).html()
    table = page[page.index('<table id="transfer"') :]
    head = table[: table.index("</thead>")]
    assert "change" in head and "detectable" in head
    assert "low" not in head and "p corrected" not in head
    assert "with 95 % intervals" not in page[: page.index("<details>")]
    assert "one seed has no intervals" in page


def test_the_tables_for_programs_keep_all_columns(folder):
    told = json.loads(build_report(folder).text("json"))["tables"]["transfer"]["rows"][0]
    assert told["low"] is None and "p corrected" in told


def test_more_seeds_keep_their_intervals(made_up):
    page = build_report(made_up(seeds=3)).html()
    table = page[page.index('<table id="transfer"') :]
    assert "low" in table[: table.index("</thead>")]
    assert "with 95 % intervals" in page


def test_indo_european_is_written_as_a_name(made_up):
    report = build_report(made_up(
        langs=("en", "de", "ru", "hi", "fr", "sw", "tr", "vi"),
        estimand={"kind": "effect_difference", "between": ["non-indo-european", "indo-european"]},
    ))  # fmt: skip
    assert "non-Indo-European minus Indo-European" in report.answer.sentence
    page = report.html()  # the last table has the estimand as the file spells it
    assert "indo-european" not in page[: page.index("Where the numbers come from")]

"""What stands beside our scores in a report: published rows, and means without what was seen."""

import json

import pytest

from xlt.core.metrics.averages import summarise
from xlt.core.tasks.table import TASKS
from xlt.evalsuite.report.page.build import ReportConfig, build_report
from xlt.evalsuite.report.seen import seen_means


def sheets(*results, **fields):
    built = build_report(ReportConfig(results=results, **fields))
    return {sheet.name: sheet for sheet in built.sheets()}, built


def edit(folder, change):
    path = folder / "results.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return record


def by_key(sheet):
    rows = [dict(zip(sheet.header, row, strict=True)) for row in sheet.rows]
    return {tuple(row[name] for name in ("task", "metric", "lang")): row for row in rows}


@pytest.fixture
def whole(made, tmp_path):
    """Results on all languages of XQuAD, with their official means."""
    root = made.data(tmp_path / "root", {"xquad": TASKS["xquad"].languages}, 9)
    out = made.results(tmp_path / "r", root, {"xquad": TASKS["xquad"].languages})

    def average(record):
        table = {m: {c["lang"]: c["metrics"][m] for c in record["cells"]}
                 for m in ("f1", "exact_match")}  # fmt: skip
        record.update(summarise({"xquad": table}))

    edit(out, average)
    return out


def test_published_means_and_languages_stand_beside_ours(whole):
    found = by_key(sheets(whole)[0]["published"])
    record = json.loads((whole / "results.json").read_text())
    ours = {c["lang"]: c["metrics"]["f1"] for c in record["cells"]}
    row = found["xquad", "f1", "mean"]
    assert row["ours"] == pytest.approx(sum(ours.values()) / 11)
    assert (row["mBERT"], row["XLM-R"], row["X-STILTs"]) == (64.5, 76.6, 77.2)
    sheet = sheets(whole)[0]["published"]
    sources = {f"[{n}]": text for n, text in enumerate(
        sheet.note.partition("Read in: ")[2].split("; "), 1)}  # fmt: skip
    named = " ".join(sources[number] for number in row["source"].split())
    assert "deepmind/xquad" in named and "multilingual-t5" in named
    assert found["xquad", "f1", "th"]["XLM-R"] == 74.2
    assert found["xquad", "f1", "th"]["ours"] == pytest.approx(ours["th"])
    assert found["xquad", "f1", "th"]["XLM"] is None


def test_no_mean_of_ours_contains_a_published_number(whole):
    tables, built = sheets(whole)
    record = json.loads((whole / "results.json").read_text())
    scores = [c["score"] for c in record["cells"]]
    assert tables["overview"].rows[0][1] == pytest.approx(sum(scores) / len(scores))
    assert "published" not in {line.split(",")[1] for line in built.text("csv").splitlines()[1:]}
    assert "in no mean here" in tables["published"].note


def test_ours_is_left_out_where_it_is_over_fewer_languages(folders):
    found = by_key(sheets(folders.mnli1)[0]["published"])
    assert found["xnli", "accuracy", "mean"]["ours"] is None
    assert found["xquad", "f1", "el"]["ours"] is not None
    assert ("xquad", "f1", "de") not in found  # not among ours


@pytest.mark.parametrize("change", [
    lambda r: r.update(split="dev"),
    lambda r: r["languages"]["en"].update(constructed=True),
])  # fmt: skip
def test_other_items_than_the_published_ones_have_no_published_rows(
    made, folders, tmp_path, change
):
    out = made.results(tmp_path / "r", folders.root, {"xnli": ["en", "sw"]})
    assert "published" in sheets(out)[0]
    edit(out, change)
    assert "published" not in sheets(out)[0]


FLAGS = {
    "en": ["task seen in training in this language"],
    "de": ["task seen in training", "language seen in training"],
    "sw": ["task seen in training"],
    "zh": [],
}


def cells(flags):
    return [
        {"task": "xnli", "lang": lang, "score": score, "flags": flags[lang]}
        for lang, score in zip(flags, (80.0, 60.0, 40.0, 30.0), strict=True)
    ]


def test_means_with_and_without_what_was_seen():
    found = seen_means(cells(FLAGS), {})["xnli"]
    assert (found["mean"], found["declared"]) == (52.5, True)
    assert {name: (rest["mean"], rest["langs"]) for name, rest in found["without"].items()} == {
        "task in the language": (pytest.approx(130 / 3), ["de", "sw", "zh"]),
        "language": (35.0, ["sw", "zh"]),
        "task or language": (30.0, ["zh"]),
    }


def test_where_training_data_are_not_declared_nothing_is_left_out():
    flags = {**FLAGS, "zh": ["training data not declared"]}
    found = seen_means(cells(flags), {})["xnli"]
    assert (found["mean"], found["declared"], found["without"]) == (52.5, False, {})


def test_languages_that_are_in_no_mean_are_in_none_of_these():
    found = seen_means(cells(FLAGS), {"xnli": {"extra_langs": ["zh"]}})["xnli"]
    assert found["langs"] == ["en", "de", "sw"]


def test_the_report_has_these_means_and_says_what_is_not_declared(made, folders, tmp_path):
    tasks = {"xnli": ["en", "de", "sw", "zh"], "panx": ["en", "fi"]}
    out = made.results(tmp_path / "r", folders.root, tasks)

    def flag(record):
        for cell in record["cells"]:
            known = cell["task"] == "xnli"
            cell["flags"] = FLAGS[cell["lang"]] if known else ["training data not declared"]

    record = edit(out, flag)
    tables, built = sheets(out)
    rows = {row[0]: dict(zip(tables["seen"].header, row, strict=True)) for row in
            tables["seen"].rows}  # fmt: skip
    score = {c["lang"]: c["score"] for c in record["cells"] if c["task"] == "xnli"}
    assert rows["xnli"]["new languages"] == pytest.approx((score["sw"] + score["zh"]) / 2)
    assert rows["xnli"]["n zero-shot"] == 3
    assert rows["panx"]["declared"] == "not declared" and rows["panx"]["new languages"] is None
    for form in ("html", "json", "markdown", "latex"):
        assert "What training had seen" in built.text(form)


def test_one_run_meets_every_seed_of_the_baseline(folders):
    before = (folders.direct1, folders.direct2, folders.direct3)
    built = build_report(ReportConfig(results=(folders.mnli1,), baseline=before, data=folders.root))
    assert built.scope == "this checkpoint against a setting of 3 seeds"
    found = {d.lang: d for d in built.changes if d.task == "xnli"}
    assert all(d.p is not None and d.low <= d.change <= d.high for d in found.values())
    turned = build_report(
        ReportConfig(results=before, baseline=(folders.mnli1,), data=folders.root)
    )
    back = {d.lang: d for d in turned.changes if d.task == "xnli"}
    assert back["sw"].change == pytest.approx(-found["sw"].change)
    assert back["sw"].p == pytest.approx(found["sw"].p)


def test_a_folder_of_runs_stands_for_their_results(folders):
    runs = folders.mnli1.parents[1]
    built = build_report(ReportConfig(results=(runs,)))
    assert [source.path for source in built.sources] == [
        folders.mnli1, folders.mnli2, folders.mnli3
    ]  # fmt: skip
    rows = next(sheet for sheet in built.sheets() if sheet.name == "runs")
    assert rows.header[-2:] == ["mean", "spread"]


def test_precisions_are_not_averaged_as_if_they_were_seeds(folders):
    tables, _ = sheets(folders.mnli1, folders.int8)
    assert tables["runs"].header == ["task", "languages", "seed1", "int8"]
    assert "Spread" not in tables["runs"].note

"""`xlt report` on made-up results: what it says is counted again here, what it reads it leaves."""

import csv
import hashlib
import html
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from xlt.cli.main import xlt
from xlt.core.errors import DataError, UsageError
from xlt.core.stats.correction import holm
from xlt.core.stats.paired import swap_test
from xlt.core.stats.seeds import seed_effect
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.evalsuite.compute.rows import headline_score
from xlt.evalsuite.report.page.build import ReportConfig, build_report
from xlt.evalsuite.report.page.items import read_items
from xlt.evalsuite.report.page.sources import open_sources

pytest.importorskip("jinja2")  # the light environment has no pages


def call(*arguments):
    done = CliRunner().invoke(xlt, ["report", *map(str, arguments)])
    return done


def report(*results, **fields):
    return build_report(ReportConfig(results=results, **fields))


def rows_of(root, task, lang, folder):
    path = folder / "predictions" / task.name / f"test-{lang}.tsv"
    return read_items(root, task, lang, "test", path).rows.counts


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def visible(page):
    """The text of a page without styles and tags."""
    body = page.partition("<body>")[2]
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<title>.*?</title>", "", body)))


def test_the_page_shows_every_score_and_asks_for_nothing(folders, tmp_path):
    out = tmp_path / "report.html"
    done = call(folders.mnli1, "--data", folders.root, "--out", out)
    assert done.exit_code == 0, done.output
    page = out.read_text("utf-8")
    asked = re.findall(r"(?:src|href)=|url\(|@import|<script", page)
    assert asked == [] and page.startswith("<!doctype html>")
    record = json.loads((folders.mnli1 / "results.json").read_text())
    text = visible(page)
    for cell in record["cells"]:
        assert f"{cell['score']:.1f}" in text
    for code, language in record["languages"].items():
        assert language["name"] in text, code


def test_folders_that_are_read_are_left_as_they_are(folders, tmp_path):
    read = [folders.mnli1, folders.direct1, folders.root]
    before = [digest(folder) for folder in read]
    for form in ("html", "json", "csv", "markdown", "latex"):
        done = call(folders.mnli1, "--baseline", folders.direct1, "--data", folders.root,
                    "--format", form, "--out", tmp_path / form)  # fmt: skip
        assert done.exit_code == 0, done.output
    assert [digest(folder) for folder in read] == before
    for out in (folders.mnli1 / "report.html", folders.direct1 / "cells" / "x.html"):
        done = call(folders.mnli1, "--baseline", folders.direct1, "--out", out)
        assert isinstance(done.exception, UsageError) and "only read" in str(done.exception)
        assert not out.exists()


def test_two_checkpoints_are_compared_item_by_item(folders):
    built = report(folders.mnli1, baseline=(folders.direct1,), data=folders.root)
    assert built.scope == "these two checkpoints"
    found = {d.lang: d for d in built.changes if d.task == "xnli"}
    root, task = DataRoot(folders.root), TASKS["xnli"]
    p = {}
    for lang in ("en", "de", "ar", "sw", "zh", "ur"):
        sides = [
            read_items(
                root, task, lang, "test", folder / f"predictions/xnli/test-{lang}.tsv"
            ).rows.counts
            for folder in (folders.mnli1, folders.direct1)
        ]
        p[lang] = swap_test(*sides, headline_score(task.metric), np.random.default_rng(0)).p
        change = 100 * (sides[0][:, 0].mean() - sides[1][:, 0].mean())
        assert found[lang].change == pytest.approx(change)
        assert found[lang].low <= change <= found[lang].high
    for lang, corrected in zip(p, holm(list(p.values())), strict=True):
        assert found[lang].p == pytest.approx(corrected)
    changes = [found[lang].change for lang in p]
    assert found["mean"].change == pytest.approx(sum(changes) / 6)
    assert found["mean"].low > 0 and found["mean"].p < 0.01


def test_equal_runs_do_not_differ(folders, made, tmp_path):
    again = made.results(tmp_path / "again", folders.root, made.tasks, right=0.75, seed=1)
    built = report(again, baseline=(folders.mnli1,), data=folders.root)
    assert built.changes and all(d.change == 0 and d.p == 1 for d in built.changes)


def test_seeds_of_both_sides_are_paired_and_drawn(folders):
    now = (folders.mnli1, folders.mnli2, folders.mnli3)
    before = (folders.direct1, folders.direct2, folders.direct3)
    built = report(*now, baseline=before, data=folders.root)
    assert "3 seeds each" in built.scope and "checkpoint" not in built.scope
    root, task = DataRoot(folders.root), TASKS["xnli"]
    tables = [[rows_of(root, task, "sw", folder) for folder in side] for side in (now, before)]
    joined = np.concatenate([np.stack(tables[0]), np.stack(tables[1])], axis=-1)

    def change(sums):
        return 100 * (sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])

    expected = seed_effect(joined, change, np.random.default_rng(0))
    found = next(d for d in built.changes if (d.task, d.lang) == ("xnli", "sw"))
    assert found.change == pytest.approx(expected.interval.estimate)
    assert (found.low, found.high) == pytest.approx((expected.interval.low, expected.interval.high))
    mean = next(d for d in built.changes if (d.task, d.lang) == ("xnli", "mean"))
    assert mean.low < mean.change < mean.high
    runs = next(sheet for sheet in built.sheets() if sheet.name == "runs")
    assert runs.header[2:5] == ["mnli/seed1", "mnli/seed2", "mnli/seed3"]
    row = dict(zip(runs.header, runs.rows[0], strict=True))
    means = [row[name] for name in runs.header[2:5]]
    assert row["mean"] == pytest.approx(np.mean(means))
    assert row["spread"] == pytest.approx(np.std(means, ddof=1))


def test_two_runs_against_three_have_no_tests_and_say_so(folders):
    before = (folders.direct1, folders.direct2, folders.direct3)
    built = report(folders.mnli1, folders.mnli2, baseline=before, data=folders.root)
    assert all(d.p is None for d in built.changes)
    assert any("make no pairs" in line for line in built.left_out)


def test_what_int8_costs_is_shown_by_language(folders):
    built = report(folders.mnli1, folders.int8, data=folders.root)
    ((name, cost),) = built.costs
    assert name == "int8 against fp32"
    xnli = {d.lang: d.change for d in cost if d.task == "xnli"}
    scores = [
        {c["lang"]: c["score"] for c in json.loads((f / "results.json").read_text())["cells"]
         if c["task"] == "xnli"}
        for f in (folders.int8, folders.mnli1)
    ]  # fmt: skip
    assert xnli["ar"] == pytest.approx(scores[0]["ar"] - scores[1]["ar"])
    assert "What int8 against fp32 costs" in visible(built.html())


def test_texts_stand_in_their_own_script_and_direction(folders):
    built = report(folders.mnli1, data=folders.root, examples=1)
    shown = {(texts.task, texts.lang): texts for texts in built.examples}
    assert shown["xnli", "ar"].direction == "rtl" and shown["xnli", "en"].direction == "ltr"
    right, wrong = shown["xnli", "ar"].right[0], shown["xnli", "ar"].wrong[0]
    assert right.gold == right.predicted and wrong.gold != wrong.predicted
    page = built.html()
    assert 'dir="auto" lang="ar">القطة تنام' in page
    assert ("panx", "he") in shown or ("panx", "fa") in shown
    tags = next(texts for texts in built.examples if texts.task == "panx")
    assert "/" in tags.wrong[0].gold and tags.wrong[0].gold != tags.wrong[0].predicted
    retrieval = next(texts for texts in built.examples if texts.task == "tatoeba")
    assert retrieval.right[0].parts[0][0] == "English"


def test_an_answer_that_is_half_right_says_how_right_it_is(folders):
    """Gold and prediction alike stood under "wrong" and nothing said why."""
    built = report(folders.mnli1, data=folders.root, examples=9)
    english = next(t for t in built.examples if (t.task, t.lang) == ("xquad", "en"))
    half = [one for one in english.wrong if one.gold == one.predicted == "the"]
    assert half and all(one.score == 50 for one in half)
    assert "partly right: 50.0" in visible(built.html())


def test_without_a_data_root_examples_and_tests_are_left_out_and_this_is_said(folders):
    built = report(folders.mnli1, baseline=(folders.direct1,))
    assert built.examples == [] and all(d.p is None for d in built.changes)
    page = visible(built.html())
    assert "the results name no data root; give --data ROOT" in page
    gone = built.left_out
    assert len(gone) == 1


def test_the_root_that_the_results_name_is_used(folders, made, tmp_path):
    out = made.results(tmp_path / "named", folders.root, {"xnli": ["en", "ar"]},
                       data=str(folders.root))  # fmt: skip
    assert report(out).examples
    lost = made.results(tmp_path / "lost", folders.root, {"xnli": ["en"]}, data="/no/such/root")
    assert "the data root /no/such/root is not there" in report(lost).left_out[0]


def test_a_family_is_the_mean_of_its_languages(folders):
    built = report(folders.mnli1)
    text = visible(built.html())
    record = json.loads((folders.mnli1 / "results.json").read_text())
    groups = record["families"]["xnli"]["family"]
    for name, group in groups.items():
        assert f"{group['mean']:.1f}" in text, name


def test_learning_curves_are_drawn_when_the_run_is_found(folders):
    page = report(folders.mnli1).html()
    assert "training loss by updates" in page and "English dev score by updates" in page
    assert "Learning curves" not in report(folders.direct1).html()


def test_csv_is_one_long_table_at_full_precision(folders):
    done = call(folders.mnli1, "--baseline", folders.direct1, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    record = json.loads((folders.mnli1 / "results.json").read_text())
    cell = next(c for c in record["cells"] if (c["task"], c["lang"]) == ("panx", "fi"))
    found = {r["metric"]: float(r["value"]) for r in rows
             if (r["task"], r["lang"], r["role"]) == ("panx", "fi", "results")}  # fmt: skip
    assert found == {"score": cell["score"], **cell["metrics"]}
    assert {row["role"] for row in rows} == {"results", "baseline"}


def test_json_markdown_and_latex_hold_the_same_rows(folders):
    texts = {
        form: call(folders.mnli1, "--baseline", folders.direct1, "--format", form).stdout
        for form in ("json", "markdown", "latex")
    }
    tables = json.loads(texts["json"])["tables"]
    assert set(tables) == {"overview", "differences", "seen", "published", "scores", "provenance"}
    for table in tables.values():
        first = next(iter(table["rows"][0].values()))
        assert f"| {first} |" in texts["markdown"] and f"\n{first} & " in texts["latex"]
    rows = sum(len(table["rows"]) for table in tables.values())
    assert texts["latex"].count(r" \\") == rows + len(tables)


def test_the_same_input_gives_the_same_bytes(folders):
    config = {"baseline": (folders.direct1,), "data": folders.root}
    assert report(folders.mnli1, **config).html() == report(folders.mnli1, **config).html()


def test_a_task_that_comes_with_xlt_has_examples_and_an_unknown_one_is_named(
    folders, made, tmp_path
):
    root = made.data(tmp_path / "root", {"tatoeba": ["de"]}, 12)
    (root / "bitext_ntrex").mkdir()
    for name, side in (("src.eng", "eng"), ("ref.deu", "deu")):
        text = (root / f"tatoeba/tatoeba.deu-eng.{side}").read_text()
        (root / f"bitext_ntrex/newstest2019-{name}.txt").write_text(text + "a last line\n")
    out = made.results(tmp_path / "r", root, {"tatoeba": ["de"]})
    record = json.loads((out / "results.json").read_text())
    for task in ("ntrex", "mine"):
        predicted = out / f"predictions/{task}/test-de.tsv"
        predicted.parent.mkdir()
        predicted.write_text("".join(f"{n}\n" for n in range(13)))
        more = {"task": task, "predictions": f"predictions/{task}/test-de.tsv"}
        record["cells"].append({**record["cells"][0], **more, "predictions_sha256": None})
    (out / "results.json").write_text(json.dumps(record))
    built = report(out, data=root)
    assert {texts.task for texts in built.examples} == {"tatoeba", "ntrex"}
    assert any("mine/de: no examples, there is no task mine" in line for line in built.left_out)


DAMAGE = {
    "no results at all": (None, "no results.json"),
    "half a file": ('{"schema": 2, "cells": [', "not valid JSON"),
    "of another tool": ('{"accuracy": 0.9}', "not the results of this version"),
    "a list": ("[]", "not the results of this version"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_foreign_and_damaged_folders_are_told_apart(tmp_path, damage):
    content, message = DAMAGE[damage]
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    done = call(tmp_path, "--out", tmp_path.parent / "r.html")
    assert isinstance(done.exception, DataError) and message in str(done.exception)
    assert done.exception.exit_code == 3
    assert not (tmp_path.parent / "r.html").exists()


CHANGES = {
    "cells is no list": lambda r: r.update(cells={}),
    "cells[0] is no object": lambda r: r.update(cells=[7]),
    "cells[0].score is '70'": lambda r: r["cells"][0].update(score="70"),
    "cells[0].score is 700": lambda r: r["cells"][0].update(score=700),
    "cells[0].lang is None": lambda r: r["cells"][0].pop("lang"),
    "languages lacks 'en'": lambda r: r["languages"].pop("en"),
    "bundles lacks 'xnli'": lambda r: r["bundles"].clear(),
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_damaged_record_names_what_is_wrong(folders, made, tmp_path, message):
    out = made.results(tmp_path / "r", folders.root, {"xnli": ["en"]})
    record = json.loads((out / "results.json").read_text())
    CHANGES[message](record)
    (out / "results.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        open_sources([out])
    assert caught.value.exit_code == 3


def test_an_unfinished_evaluation_says_how_to_finish(tmp_path):
    (tmp_path / "cells").mkdir()
    with pytest.raises(DataError, match="not finished") as caught:
        open_sources([tmp_path])
    assert "xlt eval" in caught.value.hint


def test_predictions_that_changed_are_not_believed(folders, made, tmp_path):
    out = made.results(tmp_path / "r", folders.root, {"xnli": ["en", "de"]})
    path = out / "predictions/xnli/test-en.tsv"
    path.write_text(path.read_text().replace("neutral", "entailment"))
    built = report(out, data=folders.root)
    assert any("was changed after it was scored" in line for line in built.left_out)
    assert [texts.lang for texts in built.examples] == ["de"] or not built.examples


def test_a_predictions_path_may_not_leave_the_folder(folders, made, tmp_path):
    out = made.results(tmp_path / "r", folders.root, {"xnli": ["en"]})
    record = json.loads((out / "results.json").read_text())
    record["cells"][0]["predictions"] = "../../secret.tsv"
    (out / "results.json").write_text(json.dumps(record))
    assert any("lies outside" in line for line in report(out, data=folders.root).left_out)


def test_texts_of_data_and_names_are_never_markup(made, tmp_path):
    root = made.data(tmp_path / "root", {"xnli": ["en"]}, 6)
    path = root / "xnli/test-en.tsv"
    path.write_text(path.read_text().replace("the cat", "<img src=x onerror=alert(1)>"))
    out = made.results(tmp_path / "<b>run", root, {"xnli": ["en"]})
    page = report(out, data=root).html()
    assert "<img" not in page and "<b>run" not in page and "&lt;img" in page


def test_mistakes_of_usage(folders, tmp_path):
    with pytest.raises(UsageError, match="both result and baseline"):
        report(folders.mnli1, baseline=(folders.mnli1,))
    done = call(folders.mnli1, "--out", tmp_path)
    assert isinstance(done.exception, UsageError) and "is a folder" in str(done.exception)
    assert call().exit_code == 2


MEASURE = """
import resource, sys
from pathlib import Path
from xlt.evalsuite.report.page.build import ReportConfig, build_report
*folders, root, out = map(Path, sys.argv[1:])
half = len(folders) // 2
built = build_report(ReportConfig(
    results=tuple(folders[:half]), baseline=tuple(folders[half:]), data=root))
out.write_text(built.html())
print(sum(len(s.cells) for s in [*built.sources, *built.baseline]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_four_hundred_cells_stay_within_a_gibibyte(made, tmp_path):
    tasks = {name: list(TASKS[name].languages) for name in ("xnli", "panx", "udpos", "xquad")}
    root = made.data(tmp_path / "root", tasks, 40)
    folders = [
        made.results(tmp_path / f"r{seed}", root, tasks, right=0.6 + 0.05 * seed, seed=seed)
        for seed in range(4)
    ]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, folders), str(root), str(tmp_path / "r.html")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cells, mebibytes = map(int, done.stdout.split())
    assert cells >= 390 and mebibytes < 1024
    assert (tmp_path / "r.html").stat().st_size < 5_000_000

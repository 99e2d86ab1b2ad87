"""What later phases cost the earlier tasks: once a training, means over seeds, reasons told."""

import json

import pytest
from click.testing import CliRunner

from xlt.study.commands import study
from xlt.study.report.build import build_report

pytest.importorskip("jinja2")  # the light environment has no pages


def phase(name, *tasks, inherited=False, **more):
    entry = {"name": name, "tasks": list(tasks), "dev": {"accuracy": 50.0}, **more}
    return {**entry, "inherited": True} if inherited else entry


@pytest.fixture
def folder(made_up):
    """Arm `two` trains mnli, then squad; its run of the second phase scored mnli again."""
    out = made_up(arms=("none", "two"), estimand={"arms": ["two"]}, seeds=3)
    for path in sorted((out / "cells").glob("two-*.json")):
        cell = json.loads(path.read_text())
        unit = int(path.stem[-1])
        scored = {"phase": "1-mnli", "task": "mnli", "n": 90, "metric": "accuracy",
                  "before": {"accuracy": 60.0}, "after": {"accuracy": 50.0 - unit}}  # fmt: skip
        unkept = {"phase": "1-mnli", "task": "ccg", "reason": "its head was not kept"}
        pretrained = {"name": "0-pretrain", "path": "phases/0-pretrain", "inherited": True}
        run = out / "store" / f"train-second-{unit}"
        run.mkdir()
        phases = [
            pretrained,
            phase("1-mnli", "mnli", "ccg", inherited=True),
            phase("1-squad", "squad", forgetting=[scored, unkept]),
        ]
        (run / "run.json").write_text(json.dumps({"lineage": {"phases": phases}}))
        target = out / "store" / cell["runs"][0] / "run.json"
        inherited = [{**one, "inherited": True} for one in phases]
        record = {**json.loads(target.read_text()), "lineage": {"phases": inherited}}
        target.write_text(json.dumps(record))
        path.write_text(json.dumps({**cell, "runs": [run.name, *cell["runs"]]}))
    return out


def test_each_training_counts_once_and_the_change_has_an_interval_over_seeds(folder):
    sheet = {one.name: one for one in build_report(folder).sheets()}["forgetting"]
    (row,) = sheet.to_json()["rows"]
    assert (row["arm"], row["earlier task"], row["phases"]) == ("two", "mnli", "mnli + ccg, squad")
    assert (row["after its phase"], row["after the last"], row["seeds"]) == (60.0, 48.0, 3)
    assert row["change"] == pytest.approx(-12.0)
    # changes of -11, -12 and -13: 4.303 standard errors of 1 / sqrt(3)
    assert row["low"] == pytest.approx(-12 - 4.3027 / 3**0.5, abs=1e-3)
    assert row["high"] == pytest.approx(-12 + 4.3027 / 3**0.5, abs=1e-3)
    assert "Not scored: ccg after squad: its head was not kept." in sheet.note


def test_it_is_on_the_page_in_json_and_in_a_file_of_its_own(folder):
    done = CliRunner().invoke(study, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    assert "What later phases cost the earlier tasks" in (folder / "report.html").read_text()
    lines = (folder / "forgetting.csv").read_text().splitlines()
    assert lines[0].startswith("arm,earlier task,phases,") and len(lines) == 2
    told = json.loads(build_report(folder).text("json"))
    assert told["tables"]["forgetting"]["rows"][0]["earlier task"] == "mnli"


def test_one_seed_has_no_interval(folder):
    for path in (folder / "cells").glob("two-*-[23].json"):
        path.unlink()
    (row,) = build_report(folder).forgetting().to_json()["rows"]
    assert (row["change"], row["low"], row["high"], row["seeds"]) == (-11.0, None, None, 1)


def test_a_study_that_did_not_ask_has_no_such_table(made_up):
    assert build_report(made_up(seeds=2)).forgetting() is None

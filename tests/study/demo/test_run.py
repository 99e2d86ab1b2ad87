"""The demo: what it runs, what it refuses, what it says of effects that are known."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from xlt.core.errors import UsageError
from xlt.core.show.page import render
from xlt.core.tasks.languages import LANGUAGES
from xlt.study.answer.answer import answer
from xlt.study.answer.folder import open_folder
from xlt.study.demo import command as module
from xlt.study.demo.command import page_values
from xlt.study.demo.compare import compare
from xlt.study.demo.planted import (
    as_planted,
    headline,
    planted_figure,
    planted_rows,
    sentence,
)
from xlt.study.demo.run import Demo, Finished, bundles_of, results_of, study_of
from xlt.study.demo.run import _unlearnt as unlearnt
from xlt.study.engine.progress import Progress
from xlt.study.engine.run import register
from xlt.study.engine.store import Store
from xlt.study.plan.expand import make_plan

ASKED = {"arms": ["each", "skill", "null", "harm"], "baseline": "few", "languages": "en"}


@pytest.fixture
def planted(made_up):
    """The planted half of a demo with effects of choice, answered."""

    def build(skill=1.2, null=0.0, harm=0.0, seeds=3, **more):
        sizes = {"skill": skill, "null": null, "harm": harm}
        out = made_up(
            arms=("few", "skill", "null", "harm"), untrained=("few",), seeds=seeds, items=300,
            effect=lambda arm, task, lang, axes: sizes.get(arm, 0.0), estimand=ASKED, **more,
        )  # fmt: skip
        return answer(open_folder(out))

    return build


def test_what_must_help_and_does_is_the_headline_and_p_is_for_three_arms(planted):
    found = planted()
    assert [one.arm for one in found.primary] == ["skill", "null", "harm"]
    assert all(as_planted(one) for one in found.primary)
    assert headline(found).startswith("It can tell: what must help does")
    skill = found.primary[0]
    assert skill.adjusted == pytest.approx(3 * skill.p)
    rows = planted_rows(found)
    assert [(row[0], row[2], row[5]) for row in rows] == [
        ("skill", "helps", "yes"), ("null", "does not help", "yes"),
        ("harm", "does not help", "yes"),
    ]  # fmt: skip
    assert skill.langs == ("en",)
    assert sentence(found).startswith("In the 4 other languages")
    assert rows[0][6] in sentence(found) and rows[0][6] != rows[0][3]
    assert planted_figure(found)[1].count(": others") >= 3


def test_a_harm_that_harms_is_as_planted_and_one_that_helps_is_not(planted):
    harmed = planted(harm=-1.2)
    assert harmed.primary[2].estimate < 0 and as_planted(harmed.primary[2])
    assert headline(harmed).startswith("It can tell")
    helped = planted(harm=1.2)
    assert headline(helped).startswith("Not as planted: harm")


def test_a_skill_that_is_not_found_is_said_and_nothing_is_claimed(planted):
    said = headline(planted(skill=0.0))
    assert said.startswith("It could not tell here: the planted skill was not found")
    assert headline(planted(seeds=1)).startswith("Nothing can be said")


def test_a_seed_that_learnt_nothing_is_told_and_stays(tmp_path):
    plan = make_plan(study_of(Demo(out=tmp_path)), None, None)
    store = Store(tmp_path / "store")
    phases = [s for s in plan.stages.values() if s.facts.get("tasks") == ["planted-nli-skill"]]
    assert len(phases) == 3
    for stage, best in zip(phases, (90.0, 41.5, 88.0), strict=True):
        log = store.path / stage.output / "log.jsonl"
        log.parent.mkdir(parents=True)
        lines = [{"step": 1}, *({"dev": {"accuracy": value}} for value in (33.0, best, 40.0))]
        log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    told = unlearnt(Progress(plan=plan, store=store))
    assert told == ("seed 2 did not learn the planted skill itself (41.5 on its English dev set)",)


def test_planted_arms_and_their_baseline_have_three_seeds_the_others_one():
    plan = make_plan(study_of(Demo(out=None, intermediate="squad")), None, None)
    units = {}
    for cell in plan.cells:
        units.setdefault(cell.arm, {}).setdefault(cell.target, []).append(cell.unit)
    every = {"xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "encoder"}
    assert set(units["none"]) == set(units["squad"]) == every
    assert {tuple(found) for arm in ("none", "squad") for found in units[arm].values()} == {(1,)}
    for arm in ("few", "skill", "null", "harm"):
        assert units[arm] == {"xnli": [1, 2, 3]}
    assert not any(c.same_data for c in plan.cells if c.arm in ASKED["arms"])
    pretrained = {s.id for s in plan.stages.values() if s.facts.get("phase") == "pretrain"}
    assert len(pretrained) == 1


def test_every_size_of_the_world_has_the_examples_that_are_asked_for():
    """A tiny demo ended with exit 7: 300 examples of 150."""
    for size, few in (("tiny", "150"), ("small", "300"), ("medium", "300")):
        study = study_of(Demo(out=None, size=size))
        assert make_plan(study, None, None).cells
        arms = {arm.name: arm.target for arm in study.arms}
        assert arms["few"]["train_examples"] == arms["skill"]["train_examples"] == few
        assert "train_examples" not in arms["none"]


def test_settings_reach_the_commands():
    demo = Demo(out=None, size="tiny", seed=4, pretrain="mlm", pretrain_steps=7)
    stages = list(make_plan(study_of(demo), None, None).stages.values())
    world, first = (next(s for s in stages if s.verb == verb) for verb in ("world", "train"))
    wanted = {"--pretrain": "mlm", "--pretrain-steps": "7", "--seed": "4"}
    for words, flags in ((world.argv, {"--size": "tiny", "--seed": "4"}), (first.argv, wanted)):
        assert {flag: words[words.index(flag) + 1] for flag in flags} == flags


def test_an_intermediate_task_that_is_not_known_is_told_before_anything_runs(tmp_path):
    with pytest.raises(UsageError, match=r"'mnly' is no intermediate task; did you mean 'mnli'"):
        study_of(Demo(out=tmp_path, intermediate="squad,mnly"))
    assert [arm.name for arm in study_of(Demo(out=tmp_path, intermediate="all")).arms][1] == "all"


def test_another_demo_in_the_folder_is_refused_once_something_is_finished(tmp_path):
    store = Store(tmp_path / "d" / "store")
    register(make_plan(study_of(Demo(out=tmp_path / "d")), None, None), tmp_path / "d", store)
    (tmp_path / "d" / "cells").mkdir()
    (tmp_path / "d" / "cells" / "few-xnli-u1.json").write_text("{}")
    with pytest.raises(UsageError, match=r"holds another study.*world"):
        register(make_plan(study_of(Demo(out=tmp_path / "d", seed=2)), None, None),
                 tmp_path / "d", store)  # fmt: skip
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "mine.txt").touch()
    with pytest.raises(UsageError, match="not empty and holds no study"):
        register(make_plan(study_of(Demo(out=tmp_path / "e")), None, None), tmp_path / "e", store)


@pytest.fixture
def finished(tmp_path):
    out = tmp_path / "demo"
    for task in ("xnli", "tatoeba"):
        for arm in ("none", "mnli"):
            target = "encoder" if task == "tatoeba" else task
            bundle = out / "store" / f"export-{arm}-{task}" / "bundles" / task
            bundle.mkdir(parents=True)
            (bundle / "xlt.json").write_text("{}")
            (out / "cells").mkdir(exist_ok=True)
            record = {"cell": {"arm": arm, "target": target, "unit": 1},
                      "bundles": str(bundle.parent.relative_to(out / "store"))}  # fmt: skip
            (out / "cells" / f"{arm}-{target}.json").write_text(json.dumps(record))
    return out


def test_the_models_of_an_arm_are_in_one_folder_that_serve_takes(finished):
    models = bundles_of(finished, "mnli")
    assert sorted(path.name for path in models.iterdir()) == ["encoder", "xnli"]
    assert all((link / "xlt.json").is_file() for link in models.iterdir())
    assert (models / "xnli").resolve() == (
        finished / "store" / "export-mnli-xnli" / "bundles" / "xnli"
    ).resolve()
    assert bundles_of(finished, "mnli") == models  # again: the links are renewed


def test_results_of_an_arms_cells_are_one(planted, tmp_path):
    few = next(cell for cell in planted().folder.cells if cell.arm == "few")
    cells = []
    for task, value in (("xnli", 60.0), ("udpos", 70.0)):
        (tmp_path / task).mkdir()
        scored = {"tasks": {task: {"f1": {"de": value}}}, "cells": [{"task": task, "lang": "de"}]}
        (tmp_path / task / "results.json").write_text(json.dumps(scored))
        cells.append(replace(few, target=task, results={"English-dev pick": tmp_path / task}))
    other = replace(cells[0], unit=2, results={"English-dev pick": tmp_path / "nowhere"})
    merged = results_of((*cells, other, replace(other, unit=1, arm="skill")), "few")
    assert merged["tasks"] == {"xnli": {"f1": {"de": 60.0}}, "udpos": {"f1": {"de": 70.0}}}
    assert [cell["task"] for cell in merged["cells"]] == ["xnli", "udpos"]


def test_the_page_opens_with_the_answer_and_escapes(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load_languages", lambda root: LANGUAGES)
    scores = {"xnli": {"accuracy": {"en": 80.0, "de": 60.0, "fi": 40.0}}}
    after = {"xnli": {"accuracy": {"en": 81.0, "de": 40.0, "fi": 30.0}}}
    found = Finished(
        answer=planted(),
        results={"direct": {"tasks": scores, "cells": []}, "static": {"tasks": {}},
                 "intermediate": {"tasks": after, "cells": []}},
        references={}, world=tmp_path, models=tmp_path / "models", seconds={"train": 2.0},
        unlearnt=("seed 2 did not learn <it>",), pairs=12345,
    )  # fmt: skip
    demo = Demo(out=tmp_path, intermediate="<b>mnli</b>")
    values = page_values(demo, found, compare(found.results), "xlt serve demo/models")
    html = render(module.PAGE, values)
    first = html.index(headline(found.answer)[:40])
    assert first < html.index("<svg") < html.index("The whole path")
    assert "<b>mnli</b>" not in html and "&lt;b&gt;mnli" in html
    assert "did not learn &lt;it&gt;" in html
    assert "the same 12,345 English pairs" in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html
    assert "-15.0" in html
    assert "xlt serve demo/models" in html


def test_a_stopped_demo_stops_its_stage_and_is_130(tmp_path):
    demo = subprocess.Popen(
        [sys.executable, "-m", "xlt", "demo", "--out", str(tmp_path / "d"), "--size", "small"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with demo:
        while "started" not in demo.stderr.readline():
            pass
        demo.terminate()
        err = demo.stderr.read()
    assert demo.returncode == 130, err
    assert "run the same command again" in err
    assert not list((tmp_path / "d" / "store").glob("world-*/stage.json"))


def made_by(folder):
    """Everything that a demo made, as bytes, but for times and what was said."""
    timed = {"measured.json", "run.lock", "results.lock", "study.lock", "stage.json", "start.json",
             "log.txt", "plan.json", "digests.json"}  # fmt: skip
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in timed or path.parent.name in {"cells", "locks"}:
            continue
        data = path.read_bytes()
        if path.name == "report.html":
            data = data[: data.index(b"Where the time went")]
        found[str(path.relative_to(folder))] = data
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_demo_that_ctrl_c_stopped_and_that_went_on_equals_one_that_was_not_stopped(tmp_path):
    command = [sys.executable, "-m", "xlt", "demo", "--size", "tiny", "--pretrain-steps", "60"]
    whole, stopped = tmp_path / "whole", tmp_path / "demo"  # one place: records name their paths
    done = subprocess.run([*command, "--out", str(stopped)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    table = done.stdout
    stopped.rename(whole)
    # in pretraining, in a training, an export and an evaluation
    for sign in ("train-compact-", "train-compact-udpos", "export-", "eval-"):
        demo = subprocess.Popen(
            [*command, "--out", str(stopped)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        with demo:
            for line in demo.stderr:
                if sign in line and "started" in line:
                    os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to all of them
                    break
            rest = demo.stderr.read()
        assert demo.returncode == 130, (sign, demo.returncode, rest[-2000:])
        assert "Traceback" not in rest
    done = subprocess.run([*command, "--out", str(stopped)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == table
    expected, found = made_by(whole), made_by(stopped)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []

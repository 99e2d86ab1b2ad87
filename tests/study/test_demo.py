"""The demo's driver: its plan, what it refuses, how a failing or stopped step ends."""

import json

import pytest

from xlt.cli import VERBS
from xlt.errors import Interrupted, UsageError, XltError
from xlt.study import demo as module
from xlt.study.demo import Demo, plan, run


def test_every_step_is_a_verb_and_both_arms_share_one_pretraining(tmp_path):
    steps = plan(Demo(out=tmp_path, threads=2, pretrain_steps=10))
    assert {step.arguments[0] for step in steps} <= set(VERBS)
    pretraining = [step for step in steps if "compact" in step.arguments]
    assert len(pretraining) == 1
    trained = [step for step in steps if step.name.endswith(": train")]
    assert [step.arguments[2] for step in trained] == [str(tmp_path / "base")] * 2
    assert ["--intermediate" in step.arguments for step in trained] == [False, True]
    assert all("--resume" in step.arguments for step in trained + pretraining)


def test_a_second_run_reuses_and_times_are_kept(tmp_path, monkeypatch):
    calls = []

    def pretend(name, arguments):
        calls.append(name)
        if name == "world":
            (tmp_path / "d" / "world").mkdir(parents=True)

    monkeypatch.setattr(module, "start_verb", pretend)
    first = run(Demo(out=tmp_path / "d"))
    assert calls[0] == "world"
    before = len(calls)
    again = run(Demo(out=tmp_path / "d"))
    assert "world" not in calls[before:]
    assert set(again) == set(first)
    assert json.loads((tmp_path / "d" / "demo.json").read_text())["seed"] == 1


def test_other_settings_in_one_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "start_verb", lambda name, arguments: None)
    run(Demo(out=tmp_path / "d"))
    with pytest.raises(UsageError, match="seed 1"):
        run(Demo(out=tmp_path / "d", seed=2))
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "mine.txt").touch()
    with pytest.raises(UsageError, match="holds no demo"):
        run(Demo(out=tmp_path / "e"))


def test_a_failing_step_keeps_its_exit_code(tmp_path):
    with pytest.raises(XltError, match="exit code 3") as caught:
        module.start_verb("check", ("data", "check", "--data", str(tmp_path / "absent")))
    assert caught.value.exit_code == 3


def test_an_interrupted_step_interrupts_the_demo(tmp_path, monkeypatch):
    class Child:
        def wait(self):
            return 130

    monkeypatch.setattr(module.subprocess, "Popen", lambda *a, **k: Child())
    with pytest.raises(Interrupted):
        module.start_verb("x", ("tasks",))

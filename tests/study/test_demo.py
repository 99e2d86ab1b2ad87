"""The demo's driver: its plan, what it refuses, how a failing or stopped step ends."""

import json
import os
import signal
import subprocess
import sys

import pytest

from xlt.cli.main import VERBS
from xlt.core.errors import Interrupted, UsageError, XltError
from xlt.core.show.terminal import Lanes
from xlt.study import steps as module
from xlt.study.demo import Demo, plan, run
from xlt.study.steps import Step, run_lanes


def test_every_step_is_a_verb_and_both_arms_share_one_pretraining(tmp_path):
    steps = plan(Demo(out=tmp_path, threads=2, pretrain_steps=10))
    assert {step.arguments[0] for step in steps} <= set(VERBS)
    pretraining = [step for step in steps if "compact" in step.arguments]
    assert len(pretraining) == 1
    trained = {step.lane: step for step in steps if step.name.endswith(": train")}
    assert {step.arguments[2] for step in trained.values()} == {str(tmp_path / "base")}
    assert "--intermediate" in trained["intermediate"].arguments
    assert "--intermediate" not in trained["direct"].arguments
    assert all("--resume" in step.arguments for step in (*trained.values(), *pretraining))


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(module.Children, "run", lambda self, step, place: made.append(step.name))
    return made


def test_a_second_run_reuses_and_times_are_kept(tmp_path, calls):
    first = run(Demo(out=tmp_path / "d"))
    assert calls[:2] == ["world", "pretraining"]
    (tmp_path / "d" / "world").mkdir()
    calls.clear()
    again = run(Demo(out=tmp_path / "d"))
    assert "world" not in calls
    assert set(again) == set(first)
    assert json.loads((tmp_path / "d" / "demo.json").read_text())["seed"] == 1


def test_other_settings_in_one_folder_are_refused(tmp_path, calls):
    run(Demo(out=tmp_path / "d"))
    with pytest.raises(UsageError, match="seed 1"):
        run(Demo(out=tmp_path / "d", seed=2))
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "mine.txt").touch()
    with pytest.raises(UsageError, match="holds no demo"):
        run(Demo(out=tmp_path / "e"))


def test_a_failing_step_keeps_its_exit_code_and_other_lanes_go_on(tmp_path):
    steps = [
        Step(name="bad", lane="a", arguments=("data", "check", "--data", str(tmp_path / "none"))),
        Step(name="after bad", lane="a", arguments=("langs",)),
        Step(name="good", lane="b", arguments=("tasks",)),
    ]
    ran = []
    with pytest.raises(XltError, match="'bad' ended with exit code 3") as caught:
        run_lanes(steps, lambda step, seconds: ran.append(step.name))
    assert caught.value.exit_code == 3
    assert ran == ["good"]


def test_what_a_lane_says_carries_its_name(tmp_path, capfd):
    step = Step(name="bad", lane="arm", arguments=("data", "check", "--data", str(tmp_path / "x")))
    with pytest.raises(XltError):
        run_lanes([step], lambda step, seconds: None)
    assert "[arm] error: " in capfd.readouterr().err


def test_after_a_stop_nothing_more_starts(capfd):
    children = module.Children(Lanes())
    children.stop()
    with pytest.raises(Interrupted):
        children.run(Step(name="x", arguments=("tasks",)), "[1/1] x")
    assert capfd.readouterr().err == ""


def test_after_ctrl_c_no_other_lane_starts_and_none_is_announced(tmp_path, capfd, monkeypatch):
    """Ctrl-C reaches the steps before the demo: a lane that waited began then, and said so."""
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    started = subprocess.Popen
    monkeypatch.setattr(
        module.subprocess,
        "Popen",
        lambda command, **options: started(
            [sys.executable, "-c", "raise SystemExit(130)"], **options
        ),
    )
    steps = [Step(name=name, lane=name, arguments=("tasks",)) for name in ("one", "two", "three")]
    ran = []
    with pytest.raises(Interrupted):
        run_lanes([*steps, Step(name="kept", lane="two", arguments=(), done=tmp_path)], ran.append)
    said = capfd.readouterr().err
    assert "[1/4] one" in said
    assert "two" not in said
    assert "three" not in said
    assert "kept" not in said


def test_a_stopped_demo_stops_its_step_and_is_130(tmp_path):
    demo = subprocess.Popen(
        [sys.executable, "-m", "xlt", "demo", "--out", str(tmp_path / "d"), "--size", "small"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with demo:
        while "writing" not in demo.stderr.readline():
            pass
        demo.terminate()
        err = demo.stderr.read()
    assert demo.returncode == 130, err
    assert "run the same command again" in err
    assert not (tmp_path / "d" / "world").exists()


def made_by(folder):
    """Everything that a demo made, as bytes, but for times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in {"measured.json", "run.lock", "results.lock"}:
            continue
        data = path.read_bytes()
        if path.name == "report.html":
            data = data[: data.index(b"Where the time went")]
        found[str(path.relative_to(folder))] = data
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_demo_that_ctrl_c_stopped_and_that_went_on_equals_one_that_was_not_stopped(tmp_path):
    command = [sys.executable, "-m", "xlt", "demo", "--size", "tiny", "--pretrain-steps", "120"]
    whole, stopped = tmp_path / "whole", tmp_path / "demo"  # one place: records name their paths
    done = subprocess.run([*command, "--out", str(stopped)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    table = done.stdout
    stopped.rename(whole)
    # in pretraining, in the trainings of both arms, between steps, in an evaluation
    for sign in ("closed-form", "xquad: ", "] direct: export", "xnli/qaa"):
        demo = subprocess.Popen(
            [*command, "--out", str(stopped)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        with demo:
            for line in demo.stderr:
                if sign in line:
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

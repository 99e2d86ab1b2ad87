"""Steps in lanes: how a failing or stopped step ends, and what a lane says."""

import subprocess
import sys

import pytest

from xlt.core.errors import Interrupted, XltError
from xlt.core.show.terminal import Lanes
from xlt.study import steps as module
from xlt.study.steps import Step, run_lanes


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

"""What is seen while a study runs: on a terminal with rich, without it, and where there is none."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.show import terminal
from xlt.study.engine import view as views
from xlt.study.engine.progress import Progress
from xlt.study.engine.view import Working, live_view, told

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@pytest.fixture
def progress(bench):
    """A study of which two stages are done, one has failed, and the others are expected."""
    plan = bench.plan()
    stages = list(plan.stages)
    failed = next(name for name in stages if "mnli-i1" in name)
    return Progress(
        plan=plan, store=bench.store(), records={name: {"seconds": 1.0} for name in stages[:2]},
        failures={failed: {"code": 1, "message": "no [memory] was left"}},
        expected=dict.fromkeys(stages, 60.0),
    )  # fmt: skip


WORKING = (
    Working(slot=2, name="compact-xnli-t1", seconds=83.0, line="xnli: 120/300 steps, 14.0/s"),
)


def test_what_is_done_failed_held_back_and_left_is_told(progress):
    total = len(progress.plan.stages)
    held = len(progress.blocked())
    left = total - 3 - held
    assert told(progress, 2) == [
        f"2/{total} stages", "1 failed", f"{held} held back by them", "0/8 cells",
        f"about {left / 2:.0f} minutes left",
    ]  # fmt: skip


def test_rich_draws_stages_with_their_time_and_last_line(progress):
    console = pytest.importorskip("rich.console")
    screen = io.StringIO()
    shown = console.Console(file=screen, force_terminal=True, width=100, _environ={})
    with views._rich_view(shown) as view:
        view.show(progress, WORKING, 2)
    drawn = CODES.sub("", screen.getvalue())
    assert re.search(r"compact-xnli-t1 +1:23 +xnli: 120/300 steps, 14\.0/s", drawn)
    assert ": no [memory] was left" in drawn, "what a stage said is no markup"
    assert f"2/{len(progress.plan.stages)} stages, 1 failed" in drawn
    assert max(map(len, drawn.splitlines())) <= 100


def test_without_rich_each_stage_has_a_line_of_the_terminals_width(progress, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    monkeypatch.setattr(views.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("COLUMNS", "60")
    with live_view() as view:
        view.show(progress, WORKING, 2)
    drawn = CODES.sub("", capsys.readouterr().err)
    assert "[2] compact-xnli-t1, 1:23: xnli: 120/300 steps, 14.0/s" in drawn
    assert "[study] 2/" in drawn
    assert max(map(len, drawn.splitlines())) < 60


def test_where_there_is_no_terminal_nothing_is_drawn(progress, capsys):
    with live_view() as view:
        view.show(progress, WORKING, 2)
    assert capsys.readouterr() == ("", "")


CODE = """\
import json, sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from conftest import Bench
Bench(Path(sys.argv[2]), seconds=0.5).run(text=sys.argv[3])
print(json.dumps({"whole": True}))
"""


def test_on_a_terminal_the_notes_stay_and_stdout_is_untouched(bench):
    pytest.importorskip("rich")
    text = bench.text.replace("[xnli, udpos]", "[xnli]").replace(
        "intermediate: 2", "intermediate: 1"
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", CODE, str(Path(__file__).parent), str(bench.folder), text]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            seen += block
        assert process.stdout.read() == b'{"whole": true}\n'
    os.close(ours)
    assert process.returncode == 0, seen.decode()
    drawn = CODES.sub("", seen.decode())
    total = len(bench.plan(text).stages)
    assert len(re.findall(r"\[\d+/\d+\] \S+: done, \d+ s", drawn)) == total
    assert re.search(r"\d+/\d+ stages, \d/2 cells", drawn)
    assert "compact-xnli-t1" in drawn

"""Progress: lines that fit, speeds of this call alone, one live line for each of several lanes."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from xlt.core.show import terminal as show

COLUMNS = 80
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """A clock that tests turn."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(show.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_speed_after_a_resume_counts_the_steps_of_this_run_only(clock, capsys):
    with show.progress("udpos", 1000, "steps", done=900) as tick:
        clock.now += 20
        tick(40)
    assert capsys.readouterr().err == "udpos: 940/1000 steps, 2.0/s, 30 s left\n"


def test_a_log_has_one_line_every_ten_seconds(clock, capsys):
    with show.progress("check", 100, "sets") as tick:
        for _ in range(50):
            clock.now += 1
            tick(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"check: {n}/100 sets, 1.0/s, {_left(100 - n)} left" for n in range(10, 51, 10)
    ]


def _left(seconds):
    return f"{seconds // 60}:{seconds % 60:02}" if seconds >= 60 else f"{seconds} s"


def test_details_that_do_not_fit_are_left_out_and_no_line_is_too_wide(clock, capsys, monkeypatch):
    detail = ", ".join(f"detail {n} of many" for n in range(9))
    for columns in (30, 65, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        with show.progress("1-mnli", 2400, "steps", lambda: detail) as tick:
            clock.now += 11
            tick(100)
        (line,) = capsys.readouterr().err.splitlines()
        assert len(line) <= columns
        assert line.startswith("1-mnli: 100/2400 steps")
    assert "detail 2 of many" in line


def test_quiet_says_nothing(clock, capsys, monkeypatch):
    monkeypatch.setattr(show, "QUIET", True)
    show.note("not this")
    with show.progress("check", 10) as tick:
        clock.now += 60
        tick(5)
    assert capsys.readouterr().err == ""


def test_a_child_with_a_live_line_ends_its_lines_with_a_carriage_return(clock, capsys, monkeypatch):
    monkeypatch.setenv(show.LIVE, "1")
    with show.progress("udpos", 10, "steps") as tick:
        for _ in range(3):
            clock.now += 1
            tick(1)
    said = capsys.readouterr().err
    assert "\n" not in said
    assert [text.split(",")[0] for text in said.split("\r")] == [
        "udpos: 1/10 steps", "udpos: 2/10 steps", "udpos: 3/10 steps", "", "",
    ]  # fmt: skip


def on_a_terminal(code, *, columns=COLUMNS, timeout=60):
    """What a Python program writes to a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=follower, stdout=follower, stderr=follower,
        env={**environment, "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    found = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        found += block
    os.close(leader)
    assert child.wait(timeout) == 0, found.decode()
    return found.decode()


def lines_of(said):
    """Everything that stood in a line of its own, whether it stayed or was drawn over."""
    return [CONTROL.sub("", piece) for piece in re.split(r"[\r\n]", said)]


def test_a_live_line_fits_80_columns_with_long_names_and_details():
    said = on_a_terminal(
        "from xlt.core.show.terminal import progress\n"
        "import time\n"
        "said = lambda: 'loss 0.123, accuracy 93.2, 1234 examples/s, lr 1.0e-04, and much more'\n"
        "with progress('0-pretrain', 24000, 'steps', said, done=12000) as tick:\n"
        "    for _ in range(5): tick(1); time.sleep(0.15)\n"
    )
    lines = lines_of(said)
    assert max(map(len, lines)) <= COLUMNS
    assert any("0-pretrain" in line and "/24000 steps" in line for line in lines)
    assert any("loss 0.123" in line for line in lines)
    assert not any("…" in line for line in lines)
    assert screen_of(said) == [""]


def test_what_is_said_stays_above_the_live_line():
    said = on_a_terminal(
        "from xlt.core.show.terminal import note, progress\n"
        "import sys, time\n"
        "with progress('fetch', 9, 'sets') as tick:\n"
        "    for n in range(4):\n"
        "        time.sleep(0.15); tick(1); note(f'failed: set {n}')\n"
        "    print('a warning of another package', file=sys.stderr)\n"
        "print('the result')\n"
    )
    assert "fetch: 4/9 sets" in said
    kept = [line for line in screen_of(said) if line]
    assert kept[:4] == [f"failed: set {n}" for n in range(4)]
    assert kept[-1] == "the result"


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(clock, capsys, monkeypatch):
    monkeypatch.setattr(show.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with show.progress("check", 10) as tick:
        clock.now += 10
        tick(5)
    assert capsys.readouterr().err == "check: 5/10 items, 0.5/s, 10 s left\n"


LANES = """
import sys, time
from xlt.study import steps as module
from xlt.study.steps import Step, run_lanes
child = '''
import time
from xlt.core.show.terminal import note, progress
note("1-mnli: " + ", ".join(f"{n},000 rows" for n in range(20)))
with progress("1-mnli", 100, "steps", lambda: "loss 0.123, accuracy 93.2, 99 examples/s") as tick:
    for _ in range(16): tick(1); time.sleep(0.1)
note("done")
'''
start = module.subprocess.Popen
module.subprocess.Popen = lambda command, **o: start([sys.executable, "-c", child], **o)
arguments = ("train", "--model", "demo/base", "--intermediate", "mnli", "--target", "all",
             "--out", "demo/intermediate", "--data", "demo/world", "--seed", "1", "--resume")
run_lanes([Step(name=f"{arm}: train", lane=arm, arguments=arguments)
           for arm in ("intermediate", "direct")], lambda step, seconds: None)
"""


def test_lanes_have_one_live_line_each_and_nothing_wraps_at_80_columns():
    """The demo's long stage wrapped its lines and filled the screen with them."""
    said = on_a_terminal(LANES)
    lines = lines_of(said)
    assert max(map(len, lines)) <= COLUMNS
    live = [line for line in lines if "/100 steps" in line]
    assert {line.partition("]")[0] for line in live} == {"[intermediate", "[direct"}
    kept = screen_of(said)
    assert not [line for line in kept if "/100 steps" in line]
    assert kept.count("[direct] done") == kept.count("[intermediate] done") == 1
    assert sum("[1/2] intermediate: train" in line for line in kept) == 1


def screen_of(said):
    """The lines that are left, on a terminal that knows CR, LF, cursor up and erase below."""
    rows, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", said):
        if piece == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif piece == "\r":
            column = 0
        elif piece.startswith("\x1b["):
            if piece.endswith("A"):
                row -= int(piece[2:-1] or 1)
            elif piece.endswith("J"):
                rows[row:] = [rows[row][:column]]
        else:
            rows[row] = rows[row][:column].ljust(column) + piece
            column += len(piece)
    return [line.rstrip() for line in rows]


def test_what_a_lane_says_in_a_log_is_one_line_with_its_name(capsys):
    show.Lanes().say("direct", "a line " * 30)
    assert capsys.readouterr().err.splitlines() == ["[direct] " + "a line " * 30]

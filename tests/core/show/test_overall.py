"""One line for a whole run: parts of unequal cost, the time left by measured rates."""

import pytest

from xlt.core.show import overall as whole
from xlt.core.show import terminal as show
from xlt.core.show.overall import Overall, Part, overall


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(show.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    assert show.time is whole.time
    return Clock(monkeypatch)


def parts(**sizes):
    return [
        Part(name=name.replace("_", "/"), group=name.partition("_")[0], size=size)
        for name, size in sizes.items()
    ]


def test_the_time_left_goes_by_the_measured_cost_of_each_group():
    run = Overall("eval", parts(a_1=10, a_2=30, b_1=10, b_2=10), {}, "cells")
    assert run.left(5) is None
    run.finish("a/1", 10)  # a: 1 s a unit
    run.finish("b/1", 100)  # b: 10 s a unit
    # 30 units of a and 10 of b are left
    assert run.left(110) == pytest.approx(30 + 100)
    # two at once take half the time
    assert run.left(55) == pytest.approx(65)


def test_a_group_that_is_not_measured_yet_costs_what_former_runs_or_all_others_say():
    sizes = {"a_1": 10, "a_2": 10, "b_1": 10}
    run = Overall("eval", parts(**sizes), {"b": 5.0}, "cells")
    run.finish("a/1", 10)
    assert run.left(10) == pytest.approx(10 + 50)
    run = Overall("eval", parts(**sizes), {}, "cells")
    run.finish("a/1", 10)
    assert run.left(10) == pytest.approx(20)


def test_what_is_done_of_the_current_part_counts(clock):
    run = Overall("eval", parts(a_1=10, a_2=10), {}, "cells")
    with run.part("a/1", 200):
        clock.now += 10
        run.tick(100)
        assert run.left(10) == pytest.approx(30)
        assert run.line(80, 10) == "eval: 0/2 cells, 30 s left, a/1 100/200, 10.0/s"
        assert run.line(30, 10) == "eval: 0/2 cells, 30 s left"


def test_a_part_that_failed_is_done_and_no_measure():
    run = Overall("eval", parts(a_1=10, a_2=10), {}, "cells")
    run.finish("a/1", None)
    assert run.left(1) == pytest.approx(1)
    assert run.line(80, 1).startswith("eval: 1/2 cells, 1 s left")


def test_files_of_no_size_do_not_stop_the_line():
    run = Overall("eval", parts(a_1=0, a_2=0), {}, "cells")
    run.finish("a/1", 2.0)
    assert run.left(2) == pytest.approx(2)


def test_progress_inside_feeds_the_one_line_and_has_none_of_its_own(clock, capsys):
    with overall("eval", parts(a_1=10, a_2=10), {}, "cells") as run:
        for name in ("a/1", "a/2"):
            with show.progress(name, 4) as tick:
                for _ in range(4):
                    clock.now += 3
                    tick(1)
            run.finish(name, 12.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "eval: 0/2 cells, 12 s left, a/1 4/4, 0.3/s",
        "eval: 1/2 cells, 0 s left, a/2 4/4, 0.3/s",
    ]
    with show.progress("after", 1) as tick:
        clock.now += 11
        tick(1)
    assert capsys.readouterr().err.startswith("after: 1/1")


def test_quiet_says_nothing_and_counts_on(clock, capsys, monkeypatch):
    monkeypatch.setattr(show, "QUIET", True)
    with overall("eval", parts(a_1=10), {}, "cells") as run, show.progress("a/1", 4) as tick:
        clock.now += 60
        tick(4)
        assert run.left(60) == 0
    assert capsys.readouterr().err == ""

"""Checkpoints as seldom as their cost asks for; where the time went, told apart."""

import itertools
import re
from types import SimpleNamespace

import pytest

from xlt.core.show import terminal
from xlt.train import fit
from xlt.train.loop import meter as module
from xlt.train.loop.meter import LEAST_SECONDS, SAVE_SHARE, Meter


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""

    class Clock:
        now = 100.0

        def forward(self, seconds):
            self.now += seconds

    made = Clock()
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    return made


def test_checkpoints_cost_two_percent_at_most(clock):
    meter, saves, begun = Meter(), 0, clock.now
    while clock.now - begun < 10_000:
        with meter.spent_on("training"):
            clock.forward(1.0)
        if meter.save_is_due():
            with meter.spent_on("saving"):
                clock.forward(7.0)
            meter.saved()
            saves += 1
    assert saves > 10
    assert meter.seconds["saving"] / sum(meter.seconds.values()) <= SAVE_SHARE


def test_cheap_checkpoints_come_once_a_minute(clock):
    meter, moments = Meter(), []
    for _ in range(300):
        clock.forward(1.0)
        if meter.save_is_due():
            with meter.spent_on("saving"):
                clock.forward(0.1)
            meter.saved()
            moments.append(clock.now)
    gaps = {round(b - a) for a, b in itertools.pairwise(moments)}
    assert gaps == {round(LEAST_SECONDS)}


def test_best_weights_count_as_saving_but_do_not_put_off_a_checkpoint(clock):
    meter = Meter()
    for _ in range(70):
        clock.forward(0.9)
        with meter.spent_on("saving"):
            clock.forward(0.1)
    assert meter.save_is_due()
    assert meter.seconds["saving"] == pytest.approx(7.0)


def test_speed_is_that_of_training_alone(clock):
    meter = Meter()
    with meter.spent_on("training"):
        clock.forward(4.0)
    with meter.spent_on("dev"):
        clock.forward(30.0)
    meter.tokens, meter.padded, meter.steps = 800, 1000, 2
    assert meter.tokens_per_second == 200
    record = meter.record()
    assert (record["training_seconds"], record["dev_seconds"], record["padding"]) == (4, 30, 0.2)
    assert "200 tokens/s, padding 20 %" in meter.status()


def test_progress_tells_speed_padding_memory_and_what_is_left(
    config, root, models_of, tmp_path, monkeypatch, capsys
):
    """One line a step: the clock of the screen runs ten seconds a look."""
    seconds = itertools.count(0, 11)
    monkeypatch.setattr(terminal, "QUIET", False)
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    fit(config(root, models_of("bert"), tmp_path, target=("udpos",)))
    lines = [line for line in capsys.readouterr().err.splitlines() if " steps, " in line]
    assert len(lines) > 5
    for line in lines[1:]:
        assert re.fullmatch(
            r"udpos: \d+/12 steps, [\d.]+/s, [\d:]+( s)? left, loss [\d.]+, "
            r"[\d,]+ tokens/s, padding \d+ %, \d+\.\d GB(, selection [\d.]+)?, lr [\de.-]+",
            line,
        ), line

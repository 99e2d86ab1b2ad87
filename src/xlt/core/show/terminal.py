"""What people see: tables on stdout, talk and progress on stderr.

Progress is one live line on a terminal and one line every ten seconds elsewhere, so that logs
stay readable. No line of ours is wider than the terminal, or than 80 columns where there is none.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import click

from xlt.core.show.program import as_typed

__all__ = [
    "Lanes", "Line", "Tick", "clock", "fitted", "inside", "is_terminal", "lanes", "live_line",
    "note", "progress", "say", "table", "width",
]  # fmt: skip

QUIET = False
LINE_SECONDS = 10.0
LIVE_SECONDS = 0.5
BAR_SECONDS = 0.1
ERASE_BELOW = "\x1b[J"
# Set for a child whose talk is shown in one line of its parent's: what ends with a carriage
# return there is overwritten by what comes next, as on a terminal.
LIVE = "XLT_LIVE_LINES"
Tick = Callable[[int], None]


def note(text: str) -> None:
    """Say something on stderr, unless `--quiet`."""
    if not QUIET:
        say(as_typed(text))


def say(text: str) -> None:
    """Say something on stderr, above the live lines where there are some."""
    if _open_lines:
        _open_lines[-1].above(text)
    else:
        click.echo(text, err=True)


def width() -> int:
    """Columns that a line on stderr may have."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):  # no terminal, or no file at all
        return 80


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> str:
    """A plain text table: first column left, the others right, two blanks between.

    Wide tables are the caller's duty to fold; nothing is cut here.
    """
    lines: list[list[str]] = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(([title] if title else []) + text)


@contextmanager
def progress(
    what: str,
    total: int,
    unit: str = "items",
    detail: Callable[[], str] | None = None,
    *,
    done: int = 0,
) -> Iterator[Tick]:
    """Yield a function that is called with the number of units just done.

    Args:
        what: what is going on.
        total: units in all.
        unit: their name.
        detail: more to show (loss, speed ...) as a comma list, most important first; asked for
            whenever the line is drawn anew, and cut where the line is full.
        done: units that an earlier call did; they count as done, not for the speed.
    """
    if _outer:
        with _outer[-1](what, total) as tick:
            yield tick
        return
    with live_line(_Progress(what, total, unit, detail, done)) as tick:
        yield tick


class Line(Protocol):
    """Something that goes on, as one line tells it."""

    def add(self, n: int) -> None:
        """So many units more are done."""

    def line(self, columns: int, seconds: float) -> str:
        """How far it is after so many seconds, in at most so many columns."""


@contextmanager
def live_line(state: Line) -> Iterator[Tick]:
    """Show a line as long as the block runs; the function that is yielded moves it on."""
    if QUIET:
        yield state.add
    elif is_terminal():
        with _live_lines() as live:
            yield _ticker(state, BAR_SECONDS, lambda line: live.show("", line))
    elif os.environ.get(LIVE):
        yield _ticker(state, LIVE_SECONDS, lambda line: click.echo(line, nl=False, err=True), "\r")
        click.echo("\r", nl=False, err=True)
    else:
        yield _ticker(state, LINE_SECONDS, say)


@contextmanager
def inside(part: Callable[[str, int], AbstractContextManager[Tick]]) -> Iterator[None]:
    """While the block runs, every `progress` is a part of something larger that shows the line.

    Args:
        part: (what, total) -> where that part's ticks go.
    """
    _outer.append(part)
    try:
        yield
    finally:
        _outer.pop()


def _ticker(state: Line, seconds: float, write: Callable[[str], None], end: str = "") -> Tick:
    """A tick that writes a line at most once in so many seconds."""
    started = last = time.monotonic()

    def tick(n: int) -> None:
        nonlocal last
        state.add(n)
        now = time.monotonic()
        if now - last >= seconds:
            last = now
            write(state.line(width(), now - started) + end)

    return tick


class _Progress:
    """How far something is, and how fast this process is at it."""

    def __init__(
        self, what: str, total: int, unit: str, detail: Callable[[], str] | None, done: int
    ) -> None:
        self.what, self.total, self.unit, self.detail = what, total, unit, detail
        self.done = self.before = done

    def line(self, columns: int, seconds: float) -> str:
        """As much as fits: what is done in how long, what is left, then the details."""
        rate = (self.done - self.before) / seconds if seconds > 0 else 0.0
        parts = [f"{self.what}: {self.done}/{self.total} {self.unit}"]
        if rate > 0:
            parts += [f"{rate:.1f}/s", f"{clock((self.total - self.done) / rate)} left"]
        parts += self.detail().split(", ") if self.detail else []
        return fitted(parts, columns)

    def add(self, n: int) -> None:
        self.done += n


def clock(seconds: float) -> str:
    """A span of time as people read it: 45 s, 12:05 or 3:12:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def fitted(parts: Sequence[str], columns: int) -> str:
    """The first parts with commas between, as many as fit; the first is cut where it must be."""
    line = parts[0]
    for part in parts[1:]:
        if len(line) + 2 + len(part) > columns:
            break
        line += f", {part}"
    return line if len(line) <= columns else line[: max(0, columns - 1)] + "…"


class Lines:
    """Live lines at the bottom of a terminal; what is worth keeping scrolls by above them.

    The cursor rests where the first of them begins, so that a line which other code prints takes
    its place, and the live lines come again below.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}

    def show(self, name: str, text: str) -> None:
        """Draw a line anew; an empty text takes it away."""
        with self._lock:
            self._texts[name] = text
            self._draw("")

    def above(self, text: str) -> None:
        """Print something to keep."""
        with self._lock:
            self._draw(f"{text}\n")

    def close(self) -> None:
        """Take all live lines away."""
        with self._lock:
            self._texts.clear()
            self._draw("")

    def _draw(self, kept: str) -> None:
        lines = [fitted([text], width() - 1) for text in self._texts.values() if text]
        up = f"\x1b[{len(lines)}A" if lines else ""
        drawn = "".join(f"{line}\n" for line in lines)
        click.echo(f"\r{ERASE_BELOW}{kept}{drawn}{up}\r", nl=False, err=True, color=True)


class Lanes:
    """Several programs side by side: what they say, with their names in front.

    On a terminal each has one live line at the bottom; elsewhere those are left out.
    """

    def __init__(self, live: Lines | None = None) -> None:
        self._live = live

    def environment(self, lane: str) -> Mapping[str, str]:
        """What a program of this lane needs to know about its line."""
        columns = {"COLUMNS": str(max(20, width() - 1 - len(f"[{lane}] ")))}
        return {**columns, LIVE: "1"} if self._live else columns

    def say(self, lane: str, text: str) -> None:
        """A line to keep."""
        prefix = f"[{lane}] "
        lines = _folded(text, width() - len(prefix)) if self._live else [text]
        say("\n".join(prefix + line for line in lines))

    def show(self, lane: str, text: str) -> None:
        """The lane's live line; an empty text takes it away."""
        if self._live:
            self._live.show(lane, f"[{lane}] {text}" if text else "")


_open_lines: list[Lines] = []
_outer: list[Callable[[str, int], AbstractContextManager[Tick]]] = []


@contextmanager
def lanes() -> Iterator[Lanes]:
    """Show several programs side by side while the block runs."""
    if QUIET or not is_terminal():
        yield Lanes()
        return
    with _live_lines() as live:
        yield Lanes(live)


@contextmanager
def _live_lines() -> Iterator[Lines]:
    found = Lines()
    _open_lines.append(found)
    try:
        yield found
    finally:
        _open_lines.remove(found)
        found.close()


def is_terminal() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def _folded(text: str, columns: int) -> list[str]:
    """A line in pieces that fit, the later ones indented."""
    if len(text) <= columns:
        return [text]
    return textwrap.wrap(text, columns, subsequent_indent="  ", break_on_hyphens=False)

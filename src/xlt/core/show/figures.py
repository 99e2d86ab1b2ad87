"""The figures of reports, as SVG text: heat map, bars, differences, curves.

They take plain numbers with ready labels, so that every stage draws alike. A figure is narrow
enough for a phone; only a heat map of many columns has to be scrolled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xlt.core.show.svg import BLUE, INK, LINE, ORANGE, PALETTE, SOFT, Drawing, shade, ticks

__all__ = ["Bar", "Cell", "Group", "Series", "bars", "curves", "differences", "heat_map"]

ROW, CELL, LABEL = 20, 33, 86
CHARACTER = 6.3  # width of a letter of 11 pixels, on average
PLOT, VALUE = 210, 62
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
FEW_POINTS = 6  # of x that are all named on the axis
NAME = 14  # letters of a row's name that are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number of a heat map; `marked` adds an asterisk, `hint` is shown on hovering."""

    value: float | None
    hint: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of a heat map that belong together: (label, cells) each."""

    name: str
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A number with bounds. `sure` decides the filling of a difference's point."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    sure: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line: points (x, y) in the order of x; `bounds` (low, high) of each y."""

    name: str
    points: Sequence[tuple[float, float]]
    bounds: Sequence[tuple[float, float]] = ()


def heat_map(
    label: str,
    columns: Sequence[str],
    groups: Sequence[Group],
    *,
    low: float = 0,
    high: float = 100,
    diverging: bool = False,
) -> str:
    """Rows in groups by columns, each number on its colour.

    Args:
        label: what the figure shows.
        columns: their names, written aslant.
        groups: the rows; each has a cell for every column.
        low: the number of the pale (or orange) end.
        high: the number of the blue end.
        diverging: for differences: the middle is neutral, numbers have a sign.
    """
    head = 16 + max((len(name) for name in columns), default=0) * CHARACTER * 0.85
    rows = sum(len(group.rows) for group in groups)
    width = LABEL + len(columns) * CELL + 20
    drawing = Drawing(width, head + (rows + len(groups)) * ROW + 4, label)
    for place, name in enumerate(columns):
        drawing.text(LABEL + (place + 0.6) * CELL, head - 6, name, turn=-55)
    y = head
    for group in groups:
        drawing.text(0, y + 14, group.name, colour=SOFT, size=10.5, bold=True)
        y += ROW
        for name, cells in group.rows:
            drawing.text(0, y + 14, _short(name))
            for place, cell in enumerate(cells):
                _cell(drawing, LABEL + place * CELL, y, cell, low, high, diverging)
            y += ROW
    return str(drawing)


def _cell(
    drawing: Drawing, x: float, y: float, cell: Cell, low: float, high: float, diverging: bool
) -> None:
    if cell.value is None:
        drawing.text(x + CELL / 2, y + 14, "–", anchor="middle", colour=SOFT)
        return
    back, ink = shade(cell.value, low, high, diverging=diverging)
    drawing.rect(x, y, CELL - 1, ROW - 1, back, hint=cell.hint)
    text = f"{cell.value:+.1f}" if diverging else f"{cell.value:.1f}"
    star = "*" if cell.marked else ""
    drawing.text(x + CELL / 2, y + 14, text + star, anchor="middle", colour=ink, size=10.5)


def bars(label: str, rows: Sequence[Bar], *, low: float = 0, high: float = 100) -> str:
    """Horizontal bars from `low`, each with a whisker over its interval."""
    drawing, at = _frame(label, rows, low, high)
    for number, row in enumerate(rows):
        y = number * ROW
        drawing.rect(at(low), y + 4, at(row.value) - at(low), ROW - 8, BLUE, hint=row.hint)
        _whisker(drawing, row, y, at)
        drawing.text(LABEL + PLOT + 8, y + 14, f"{row.value:.1f}")
    return str(drawing)


def differences(label: str, rows: Sequence[Bar]) -> str:
    """Points with whiskers about zero: filled where `sure`, hollow where chance would do."""
    ends = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    reach = max([abs(end) for end in ends] + [1.0]) * 1.05
    drawing, at = _frame(label, rows, -reach, reach)
    drawing.line(at(0), 0, at(0), len(rows) * ROW, SOFT)
    for number, row in enumerate(rows):
        y = number * ROW
        _whisker(drawing, row, y, at)
        colour = ORANGE if row.value < 0 else BLUE
        drawing.dot(at(row.value), y + ROW / 2, colour, filled=row.sure, hint=row.hint)
        drawing.text(LABEL + PLOT + 8, y + 14, f"{row.value:+.1f}")
    return str(drawing)


class _Scale:
    """Where a number lies along the plot."""

    def __init__(self, low: float, high: float, start: float, length: float) -> None:
        self.low, self.high, self.start, self.length = low, high, start, length

    def __call__(self, value: float) -> float:
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return self.start + share * self.length


def _frame(label: str, rows: Sequence[Bar], low: float, high: float) -> tuple[Drawing, _Scale]:
    """Row names on the left, a scale below; what is drawn lies between."""
    height = len(rows) * ROW
    drawing = Drawing(LABEL + PLOT + VALUE, height + 20, label)
    at = _Scale(low, high, LABEL, PLOT)
    for tick in ticks(low, high, 5):
        drawing.line(at(tick), 0, at(tick), height)
        drawing.text(at(tick), height + 14, f"{tick:g}", anchor="middle", colour=SOFT, size=10)
    for number, row in enumerate(rows):
        drawing.text(0, number * ROW + 14, _short(row.label))
    return drawing, at


def _whisker(drawing: Drawing, row: Bar, y: float, at: _Scale) -> None:
    if row.low is None or row.high is None:
        return
    middle = y + ROW / 2
    drawing.line(at(row.low), middle, at(row.high), middle, INK)
    for end in (row.low, row.high):
        drawing.line(at(end), middle - 4, at(end), middle + 4, INK)


def curves(
    label: str, series: Sequence[Series], *, x_name: str = "", y_name: str = "", log: bool = False
) -> str:
    """Lines over a common x, told apart by colour and dashes, with a legend of the same strokes.

    Args:
        label: what the figure shows.
        series: one or more points each.
        x_name: what x counts.
        y_name: what y is.
        log: x is drawn by its logarithm (it must be positive).
    """

    def place(x: float) -> float:
        return math.log10(x) if log else x

    points = [point for line in series for point in line.points]
    ends = [y for _, y in points] + [y for line in series for pair in line.bounds for y in pair]
    low, high = min(ends), max(ends)
    slack = (high - low) * 0.06 or 1.0
    left, width, height, top = 40, 290, 180, 16
    drawing = Drawing(left + width + 16, top + height + 40 + 16 * len(series), label)
    xs = [place(x) for x, _ in points]
    across = _Scale(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, left, width)
    upward = _Scale(low - slack, high + slack, -(top + height), height)
    for tick in ticks(low - slack, high + slack, 6):
        y = -upward(tick)
        drawing.line(left, y, left + width, y)
        drawing.text(left - 5, y + 4, f"{tick:g}", anchor="end", colour=SOFT, size=10)
    own = sorted({x for x, _ in points})
    for x in own if log or len(own) <= FEW_POINTS else ticks(min(xs), max(xs), 6):
        text = f"{x:g}" if x < 10_000 else f"{x / 1000:g}k"
        drawing.text(
            across(place(x)), top + height + 15, text, anchor="middle", colour=SOFT, size=10
        )
    drawing.text(left, 10, y_name, colour=SOFT, size=10)
    drawing.text(left + width, top + height + 29, x_name, anchor="end", colour=SOFT, size=10)
    drawing.line(left, top + height, left + width, top + height, LINE)
    for number, line in enumerate(series):
        colour = PALETTE[number % len(PALETTE)]
        dash = DASHES[number // len(PALETTE) % len(DASHES)] or DASHES[number % len(DASHES)]
        at = [(across(place(x)), -upward(y)) for x, y in line.points]
        if line.bounds:
            lower = [(x, -upward(b[0])) for (x, _), b in zip(at, line.bounds, strict=True)]
            upper = [(x, -upward(b[1])) for (x, _), b in zip(at, line.bounds, strict=True)]
            drawing.path([*lower, *reversed(upper)], colour, fill=colour)
        if len(at) > 1:
            drawing.path(at, colour, dash)
        else:
            drawing.dot(*at[0], colour)
        y = top + height + 44 + 16 * number
        drawing.path([(left, y - 4), (left + 28, y - 4)], colour, dash)
        drawing.text(left + 34, y, line.name)
    return str(drawing)


def _short(name: str) -> str:
    return name if len(name) <= NAME else name[: NAME - 1] + "…"

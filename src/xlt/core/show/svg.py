"""Drawing in SVG: shapes with real text, in colours that follow the page's light or dark scheme.

Colours of data are blue and orange (Okabe and Ito 2008), which colour-blind readers can tell;
shape or filling says the same once more. Ink comes from the page's CSS variables, with values of
its own for a figure that stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["BLUE", "INK", "LINE", "ORANGE", "PALETTE", "SOFT", "Drawing", "shade", "ticks"]

INK = "var(--ink, #1a1a1a)"
SOFT = "var(--soft, #5c5c5c)"
LINE = "var(--line, #d8d8d8)"
BLUE = "var(--data, #0072b2)"
ORANGE = "var(--data-other, #b35c00)"
PALETTE = (BLUE, ORANGE, "var(--data-third, #00795a)", "var(--data-fourth, #a04a7f)", INK)
PALE, DEEP = (238, 244, 251), (8, 69, 128)
NEGATIVE, MIDDLE, POSITIVE = (217, 127, 0), (247, 247, 247), (0, 98, 156)
EQUAL_CONTRAST = 0.179  # luminance on which white and black text are read equally well


def shade(value: float, low: float, high: float, *, diverging: bool = False) -> tuple[str, str]:
    """Background and text colour of a number.

    Args:
        value: what is shown; beyond the ends it takes the colour of the end.
        low: pale, or orange when diverging.
        high: deep blue, in either case.
        diverging: whether the middle between low and high is neutral.
    """
    share = 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
    if not diverging:
        start, end, part = PALE, DEEP, share
    elif share < 0.5:
        start, end, part = NEGATIVE, MIDDLE, share * 2
    else:
        start, end, part = MIDDLE, POSITIVE, share * 2 - 1
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
    weights = zip((0.2126, 0.7152, 0.0722), (red, green, blue), strict=True)
    light = sum(weight * (colour / 255) ** 2.2 for weight, colour in weights)
    return f"rgb({red},{green},{blue})", "#fff" if light < EQUAL_CONTRAST else "#000"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most so many; steps of 1, 2, 2.5, 5, 10 ..."""
    if high <= low:
        return [low]
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((f * power for f in (1, 2, 2.5, 5) if f * power >= raw * (1 - 1e-9)), 10 * power)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


@dataclass
class Drawing:
    """An SVG that grows by shapes. Sizes are pixels at full size; it shrinks with the page.

    Attributes:
        label: what the figure shows, read out where it cannot be seen.
    """

    width: float
    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *, hint: str = ""
    ) -> None:
        """A filled rectangle; the hint is shown when a pointer rests on it."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(0.0, width))}" height="{_n(height)}" '
            f'fill="{fill}">{title}</rect>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str = LINE) -> None:
        """A thin straight line."""
        self.parts.append(
            f'<line x1="{_n(x)}" y1="{_n(y)}" x2="{_n(to_x)}" y2="{_n(to_y)}" stroke="{colour}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        colour: str = INK,
        size: float = 11,
        bold: bool = False,
        turn: float = 0,
    ) -> None:
        """Text whose base line is at y; it can be selected and searched for."""
        more = ' font-weight="600"' if bold else ""
        if turn:
            more += f' transform="rotate({_n(turn)} {_n(x)} {_n(y)})"'
        self.parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{_n(size)}"{more}>{escape(text)}</text>'
        )

    def dot(self, x: float, y: float, colour: str, *, filled: bool = True, hint: str = "") -> None:
        """A point, filled or hollow."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        fill = colour if filled else "var(--paper, #fff)"
        self.parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="4" fill="{fill}" stroke="{colour}" '
            f'stroke-width="1.5">{title}</circle>'
        )

    def path(
        self, points: Sequence[tuple[float, float]], colour: str, dash: str = "", fill: str = ""
    ) -> None:
        """A line through points; with `fill`, the area that they enclose and no line."""
        where = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        if fill:
            self.parts.append(f'<polygon points="{where}" fill="{fill}" opacity="0.18"/>')
            return
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
        )

    def __str__(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(self.label)}" '
            f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" width="100%" '
            f'style="max-width:{_n(self.width)}px;min-width:{_n(self.width * 0.85)}px" '
            f'font-family="system-ui, sans-serif">{"".join(self.parts)}</svg>'
        )


def _n(value: float) -> str:
    """A number as short as a tenth of a pixel allows."""
    return f"{value:.1f}".rstrip("0").rstrip(".")

"""Self-contained HTML pages: one file, no network, readable on a phone, in print and in the dark.

Reports of all stages render through `render`; the template of each page lives beside the stage
that owns it and extends `page.html` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.extras import needs
from xlt.core.files import write_atomic

__all__ = ["heat", "render", "write_page"]

# Two ends of a scale that colour-blind readers can tell apart (blue and orange), as RGB.
LOW, MIDDLE, HIGH = (230, 159, 0), (247, 247, 247), (0, 114, 178)


def heat(value: float | None, low: float, high: float) -> str:
    """CSS background for a number on a scale from `low` (orange) to `high` (blue)."""
    if value is None:
        return ""
    share = 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
    start, end, part = (LOW, MIDDLE, share * 2) if share < 0.5 else (MIDDLE, HIGH, share * 2 - 1)
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
    ink = "#fff" if share > 0.85 else "#111"
    return f"background:rgb({red},{green},{blue});color:{ink}"


def render(template: Path, values: Mapping[str, Any]) -> str:
    """Fill a template; text is escaped, an undefined name is an error.

    Raises:
        MissingExtra: jinja2 is not installed.
    """
    with needs("report", "HTML pages"):
        import jinja2

    folders = [str(template.parent), str(Path(__file__).parent)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["one"] = lambda value: "–" if value is None else f"{value:.1f}"
    environment.filters["signed"] = lambda value: "–" if value is None else f"{value:+.1f}"
    environment.globals["heat"] = heat
    return environment.get_template(template.name).render(**values)


def write_page(path: Path, template: Path, values: Mapping[str, Any]) -> None:
    """Render a page into a file, atomically."""
    write_atomic(path, render(template, values))

"""What people see: tables on stdout, talk and progress bars on stderr.

Progress is a live bar on a terminal and one line every ten seconds elsewhere, so that logs
stay readable.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

__all__ = ["Tick", "note", "progress", "table"]

QUIET = False
LINE_SECONDS = 10.0
Tick = Callable[[int], None]


def note(text: str) -> None:
    """Say something on stderr, unless `--quiet`."""
    if not QUIET:
        click.echo(text, err=True)


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
    what: str, total: int, unit: str = "items", detail: Callable[[], str] | None = None
) -> Iterator[Tick]:
    """Yield a function that is called with the number of units just done.

    Args:
        what: what is going on.
        total: units in all.
        unit: their name.
        detail: more to show (loss, speed ...), asked for whenever the bar is drawn anew.
    """
    if QUIET:
        yield lambda n: None
        return
    if sys.stderr.isatty():
        with _bar(what, total, unit, detail) as advance:
            yield advance
        return
    started = last = time.monotonic()
    done = 0

    def tick(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= LINE_SECONDS:
            last = now
            rate = done / (now - started)
            left = (total - done) / rate if rate else 0.0
            more = f", {detail()}" if detail else ""
            note(f"{what}: {done}/{total} {unit}, {rate:.1f}/s, {left:.0f} s left{more}")

    yield tick


@contextmanager
def _bar(what: str, total: int, unit: str, detail: Callable[[], str] | None) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, detail="")
        yield lambda n: bar.update(task, advance=n, detail=detail() if detail else "")

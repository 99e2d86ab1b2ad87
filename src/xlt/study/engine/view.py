"""What a study shows while it runs: stages at work, what is done, failed and left, and how long.

On a terminal a part of the screen is drawn anew, by rich where it is installed, else line by line;
elsewhere, and with `--quiet`, there is none of it, and the notes above it are all that is said.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from xlt.core.show import terminal
from xlt.core.show.terminal import Lanes, clock
from xlt.study.engine.progress import Progress

__all__ = ["RichView", "View", "Working", "live_view", "told"]

FRAMES = 4  # a second
MOST_FAILURES = 3
BAR_COLUMNS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A stage at work.

    Attributes:
        slot: its place, from 1.
        name: of the stage.
        seconds: since it was started.
        line: what it said last.
    """

    slot: int
    name: str
    seconds: float
    line: str


class View(Protocol):
    """Something that shows how far a study is."""

    def show(self, progress: Progress, working: Sequence[Working], jobs: int) -> None:
        """Draw it anew: `jobs` stages can be at work at once."""


@contextmanager
def live_view() -> Iterator[View]:
    """The view for this terminal, as long as the block runs."""
    if not terminal.QUIET and terminal.is_terminal() and importlib.util.find_spec("rich"):
        with _rich_view(None) as view:
            yield view
    else:
        with terminal.lanes() as lanes:
            yield _Lines(lanes)


def told(progress: Progress, jobs: int) -> list[str]:
    """Stages, cells, failures and the time left, in words; most important first."""
    plan, failed = progress.plan, len(progress.failures)
    cells, blocked = len(plan.cells), len(progress.blocked())
    said = [f"{len(progress.records)}/{len(plan.stages)} stages"]
    said += [f"{failed} failed"] if failed else []
    said += [f"{blocked} held back by them"] if blocked else []
    said += [f"{cells - len(progress.missing())}/{cells} cells"]
    left = progress.left() / jobs
    return said + ([f"about {left / 60:.0f} minutes left"] if left >= 60 else [])


class _Lines:
    """One line a stage, and one for the whole."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def show(self, progress: Progress, working: Sequence[Working], jobs: int) -> None:
        by_slot = {one.slot: one for one in working}
        for slot in range(1, jobs + 1):
            one = by_slot.get(slot)
            text = f"{one.name}, {clock(one.seconds)}: {one.line}" if one else ""
            self._lanes.show(str(slot), text)
        self._lanes.show("study", ", ".join(told(progress, jobs)))


class RichView:
    """A table of the stages at work over a bar of the whole, drawn by rich.

    Args:
        live: what is updated.
    """

    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, progress: Progress, working: Sequence[Working], jobs: int) -> None:
        """As every view."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold", overflow="ellipsis", max_width=48)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for one in working:
            table.add_row(Text(one.name), clock(one.seconds), Text(one.line))
        failures = list(progress.failures.items())
        lines = [
            Text(
                f"failed: {name}: {one['message']}", style="red", no_wrap=True, overflow="ellipsis"
            )
            for name, one in failures[-MOST_FAILURES:]
        ]
        if len(failures) > MOST_FAILURES:
            lines.insert(0, Text(f"{len(failures) - MOST_FAILURES} more failed", style="red"))
        whole = Table.grid(padding=(0, 2))
        bar = ProgressBar(
            total=len(progress.plan.stages), completed=len(progress.records), width=BAR_COLUMNS
        )
        whole.add_row(bar, Text(", ".join(told(progress, jobs))))
        self._live.update(Group(table, *lines, whole))


@contextmanager
def _rich_view(console: Any) -> Iterator[RichView]:
    """A view on a console of rich; None: stderr. It is gone when the block ends."""
    from rich.console import Console
    from rich.live import Live

    live = Live(
        console=console or Console(stderr=True),
        refresh_per_second=FRAMES,
        transient=True,
        redirect_stdout=False,  # results go there, untouched
    )
    with live:
        yield RichView(live)

"""Steps are `xlt` commands; lanes of steps run side by side, each step as a process of its own.

Every verb keeps what it finished, so a list of steps can be run again after any interruption.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import Interrupted, XltError
from xlt.core.show import terminal
from xlt.core.show.program import command_line
from xlt.core.show.terminal import Lanes

__all__ = ["Step", "run_lanes"]

ENDS = re.compile(rb"([\r\n])")
Finished = Callable[["Step", float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command.

    Attributes:
        name: what it is called on the screen.
        arguments: of `xlt`.
        lane: steps of one lane run in order; lanes run side by side after the lane "".
        done: exists once the step need not run again; None: its verb decides.
    """

    name: str
    arguments: tuple[str, ...]
    lane: str = ""
    done: Path | None = None


class Children:
    """The processes that are running now, so that an interruption reaches all of them."""

    def __init__(self, view: Lanes) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._live: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether nothing more may start."""
        return self._stopped

    def run(self, step: Step, place: str) -> None:
        """Say what runs, and run it to its end; its talk has the lane's name in front.

        Args:
            step: what to run.
            place: where it stands among the steps, for the screen.

        Raises:
            Interrupted: the demo was stopped, or the step was.
            XltError: the step failed; it carries the step's exit code.
        """
        quiet = ["-q"] if terminal.QUIET else []
        command = [sys.executable, "-m", "xlt", *quiet, *step.arguments]
        with self._lock:
            if self._stopped:
                raise _interrupted()
            terminal.note(f"{place}\n$ {command_line(step.arguments, terminal.width() - 2)}")
            child = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if step.lane else None,
                env={**os.environ, **self._view.environment(step.lane)} if step.lane else None,
            )
            self._live.add(child)
        with child:
            if child.stderr is not None:
                self._listen(step, child.stderr.fileno())
        code = child.returncode
        stopped = code in {130, -signal.SIGINT, -signal.SIGTERM}
        with self._lock:
            self._live.discard(child)
            self._stopped |= stopped  # Ctrl-C reaches the steps first: nothing new after it
        if stopped:
            raise _interrupted()
        if code:
            alone = shlex.join(["xlt", *step.arguments])
            fault = XltError(
                f"the step {step.name!r} ended with exit code {code} (its message is above)",
                f"correct it, then run the same command again; alone: {alone}",
            )
            fault.exit_code = code if code > 0 else 1
            raise fault

    def stop(self) -> None:
        """Interrupt what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for child in self._live:
                child.terminate()

    def _listen(self, step: Step, source: int) -> None:
        """Pass on what a step says: a line to keep ends with LF, a live one with CR."""
        self._view.show(step.lane, step.name)
        rest = b""
        while block := os.read(source, 65536):
            *pieces, rest = ENDS.split(rest + block)
            for text, end in zip(pieces[::2], pieces[1::2], strict=True):
                self._pass_on(step, text.decode("utf-8", "replace"), live=end == b"\r")
        if rest:
            self._pass_on(step, rest.decode("utf-8", "replace"), live=False)
        self._view.show(step.lane, "")

    def _pass_on(self, step: Step, text: str, *, live: bool) -> None:
        if live:
            self._view.show(step.lane, text or step.name)
        elif not self._stopped:
            self._view.say(step.lane, text.rstrip())


def run_lanes(steps: Sequence[Step], finished: Finished) -> None:
    """Run the steps of lane "" in order, then the other lanes side by side, one a core.

    Args:
        steps: in order; a lane may use what earlier steps of it, or of lane "", have made.
        finished: is called with each step that ran and its seconds, one call at a time.

    Raises:
        XltError: a step failed. The other lanes went on to their ends.
    """
    grouped: dict[str, list[tuple[int, Step]]] = {}
    for number, step in enumerate(steps, 1):
        grouped.setdefault(step.lane, []).append((number, step))
    first = grouped.pop("", [])
    _run([first], len(steps), finished, Lanes())
    if grouped:
        with terminal.lanes() as view:
            _run(list(grouped.values()), len(steps), finished, view)


def _run(
    groups: Sequence[Sequence[tuple[int, Step]]], total: int, finished: Finished, view: Lanes
) -> None:
    """Run some lanes side by side."""
    children, calls = Children(view), threading.Lock()

    def run(lane: Sequence[tuple[int, Step]]) -> None:
        for number, step in lane:
            place = f"[{number}/{total}] {step.name}"
            if children.stopped:
                raise _interrupted()
            if step.done is not None and step.done.exists():
                terminal.note(f"{place}: kept")
                continue
            started = time.monotonic()
            children.run(step, place)
            with calls:
                finished(step, time.monotonic() - started)

    workers = max(1, min(len(groups), os.cpu_count() or 1))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(run, lane) for lane in groups]
        try:
            wait(futures)
            for future in futures:
                future.result()
        except BaseException:
            children.stop()
            raise


def _interrupted() -> Interrupted:
    return Interrupted("interrupted", "run the same command again to continue")

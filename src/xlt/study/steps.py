"""Steps are `xlt` commands; lanes of steps run side by side, each step as a process of its own.

Every verb keeps what it finished, so a list of steps can be run again after any interruption.
"""

from __future__ import annotations

import os
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
from xlt.core.show.terminal import note

__all__ = ["Step", "run_lanes"]

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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, step: Step) -> None:
        """Run a step to its end, its talk on our stderr with the lane's name in front.

        Raises:
            Interrupted: the demo was stopped, or the step was.
            XltError: the step failed; it carries the step's exit code.
        """
        command = [sys.executable, "-m", "xlt", *step.arguments]
        with self._lock:
            if self._stopped:
                raise Interrupted("interrupted", "run the same command again to continue")
            child = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if step.lane else None,
                text=True,
            )
            self._live.add(child)
        with child:
            for line in child.stderr or ():
                note(f"[{step.lane}] {line.rstrip()}")
        code = child.returncode
        with self._lock:
            self._live.discard(child)
        if code in {130, -signal.SIGINT, -signal.SIGTERM}:
            raise Interrupted("interrupted", "run the same command again to continue")
        if code:
            alone = f"xlt {shlex.join(step.arguments)}"
            fault = XltError(
                f"the step {step.name!r} ended with exit code {code} (its message is above)",
                f"mend it, then run the same command again; alone: {alone}",
            )
            fault.exit_code = code if code > 0 else 1
            raise fault

    def stop(self) -> None:
        """Interrupt what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for child in self._live:
                child.terminate()


def run_lanes(steps: Sequence[Step], finished: Finished) -> None:
    """Run the steps of lane "" in order, then the other lanes side by side, one a core.

    Args:
        steps: in order; a lane may use what earlier steps of it, or of lane "", have made.
        finished: is called with each step that ran and its seconds, one call at a time.

    Raises:
        XltError: a step failed. The other lanes went on to their ends.
    """
    lanes: dict[str, list[tuple[int, Step]]] = {}
    for number, step in enumerate(steps, 1):
        lanes.setdefault(step.lane, []).append((number, step))
    children, calls = Children(), threading.Lock()

    def run(lane: list[tuple[int, Step]]) -> None:
        for number, step in lane:
            place = f"[{number}/{len(steps)}] {step.name}"
            if step.done is not None and step.done.exists():
                note(f"{place}: kept")
                continue
            note(f"{place}\n$ xlt {shlex.join(step.arguments)}")
            started = time.monotonic()
            children.run(step)
            with calls:
                finished(step, time.monotonic() - started)

    first = lanes.pop("", [])
    with ThreadPoolExecutor(max_workers=max(1, min(len(lanes), os.cpu_count() or 1))) as pool:
        try:
            for group in ([first], list(lanes.values())):
                futures = [pool.submit(run, lane) for lane in group]
                wait(futures)
                for future in futures:
                    future.result()
        except BaseException:
            children.stop()
            raise

"""The local engine: stages as processes of this machine, several at a time.

One loop looks after all of them; what a stage says is in its log, its last line on the screen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import DataError, Interrupted
from xlt.core.show import terminal
from xlt.study.engine.job import XLT, Job
from xlt.study.engine.progress import Progress
from xlt.study.engine.view import View, Working, live_view
from xlt.study.plan.records import Stage

__all__ = ["Slots", "run_local"]

POLL_SECONDS = 0.1
BUSY_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Room for stages that run side by side.

    Attributes:
        jobs: how many.
        threads: CPU threads of each.
        devices: CUDA devices, one a job in turn; () leaves the choice to each stage.
        program: what the words of a stage are given to.
    """

    jobs: int
    threads: int
    devices: tuple[str, ...] = ()
    program: tuple[str, ...] = XLT

    @classmethod
    def of(
        cls, jobs: int | None, threads: int | None, devices: Sequence[str], *, small: bool
    ) -> Slots:
        """What a user asked for; the rest by the machine.

        Args:
            jobs: stages side by side; None: one a device, else one a core for small models, else 1.
            threads: of each; None: the cores shared out.
            devices: CUDA devices.
            small: whether a stage has no use for more than one core.
        """
        cores = len(os.sched_getaffinity(0))
        jobs = jobs or len(devices) or (cores if small else 1)
        return cls(jobs=jobs, threads=threads or max(1, cores // jobs), devices=tuple(devices))

    def environment(self, slot: int) -> dict[str, str]:
        """What a stage in this slot needs to know."""
        if not self.devices:
            return {}
        return {"CUDA_VISIBLE_DEVICES": self.devices[slot % len(self.devices)]}


def run_local(progress: Progress, slots: Slots) -> None:
    """Run all stages that are not done; failed ones keep only their dependants back.

    Args:
        progress: what is done already; it is kept up to date, failures included.
        slots: room for stages.

    Raises:
        Interrupted: Ctrl-C; the stages were stopped, and what they finished is kept.
    """
    with live_view() as view:
        loop = _Loop(progress, slots, view)
        try:
            loop.run()
        except KeyboardInterrupt as error:
            loop.stop()
            raise Interrupted("interrupted", "run the same command again to continue") from error
        except BaseException:
            loop.stop()
            raise


class _Loop:
    """The running stages by slot."""

    def __init__(self, progress: Progress, slots: Slots, view: View) -> None:
        self.progress, self.slots, self.view = progress, slots, view
        self.running: dict[int, Job] = {}
        self.busy: dict[str, float] = {}  # stages that another study works on, and until when
        data = progress.plan.data
        self.data = None if data is None else Path(data)

    def run(self) -> None:
        """Until nothing is left that can run."""
        while True:
            ended = [slot for slot, job in self.running.items() if job.poll()]
            for slot in ended:
                self._ended(self.running.pop(slot))
            waiting = self.progress.ready()
            taken = {job.stage.id for job in self.running.values()}
            waiting = [stage for stage in waiting if stage.id not in taken]
            if not waiting and not self.running:
                break
            self._fill(waiting)
            self._show()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop all running stages and wait for them."""
        for job in self.running.values():
            job.stop()
        for job in self.running.values():
            job.wait(PATIENCE_SECONDS)

    def _fill(self, waiting: Sequence[Stage]) -> None:
        free = [slot for slot in range(self.slots.jobs) if slot not in self.running]
        for stage in waiting:
            if not free:
                return
            if self.busy.get(stage.id, 0.0) > time.monotonic():
                continue
            self.progress.look([stage])  # another study may have finished it
            if stage.id in self.progress.records:
                self._note(stage, "made by another study")
                continue
            try:
                job = Job.start(
                    stage,
                    self.progress.store,
                    self._root(),
                    threads=self.slots.threads,
                    environment=self.slots.environment(free[0]),
                    program=self.slots.program,
                )
            except DataError as error:
                failure = {"code": error.exit_code, "message": error.message, "hint": error.hint}
                self.progress.failures[stage.id] = failure
                self._note(stage, f"failed: {error.message}")
                continue
            if job is None:
                if stage.id not in self.busy:
                    self._note(stage, "another study works on it")
                self.busy[stage.id] = time.monotonic() + BUSY_SECONDS
                continue
            self._note(stage, "started")
            self.running[free.pop(0)] = job

    def _root(self) -> Path | None:
        """The data root: the user's, or the world that a stage has built."""
        if self.data is not None:
            return self.data
        for stage in self.progress.plan.stages.values():
            if stage.verb == "world":
                return self.progress.store.path / stage.output
        return None

    def _ended(self, job: Job) -> None:
        stage = job.stage
        if job.failure:
            self.progress.failures[stage.id] = job.failure
            self._note(stage, f"failed: {job.failure['message']}")
            return
        record = self.progress.store.done(stage)
        if record is None:
            self.progress.failures[stage.id] = {"code": 1, "message": "its record is not believed"}
            return
        self.progress.finished(stage, record)
        self._note(stage, f"done, {record['seconds']:.0f} s")

    def _note(self, stage: Stage, text: str) -> None:
        total, done = len(self.progress.plan.stages), len(self.progress.records)
        terminal.note(f"[{done}/{total}] {stage.id}: {text}")

    def _show(self) -> None:
        working = [
            Working(slot=slot + 1, name=job.stage.label, seconds=job.seconds, line=job.line())
            for slot, job in sorted(self.running.items())
        ]
        self.view.show(self.progress, working, self.slots.jobs)

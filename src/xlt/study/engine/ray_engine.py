"""`--engine ray`: stages over a Ray cluster.

A task of Ray is one stage, and its arguments are the outcomes of the stages that it needs, so that
order, placement and retries after the death of a machine are Ray's.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import Interrupted, UsageError
from xlt.core.files import sha256_bytes
from xlt.core.inference.cluster import connected, ray
from xlt.core.show import terminal
from xlt.study.engine.job import XLT
from xlt.study.engine.mirror import Mirror
from xlt.study.engine.progress import Progress
from xlt.study.engine.remote import Outcome, Work, perform
from xlt.study.engine.view import live_view
from xlt.study.engine.weights import record_of
from xlt.study.plan.records import Stage

__all__ = ["Cluster", "run_ray"]

RETRIES = 3  # of a task whose machine died
WAIT_SECONDS = 0.5
STOP_SECONDS = 30.0
ON_GPU = ("train", "eval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a study asks of a cluster.

    Attributes:
        address: HOST:PORT; None: one of this machine's cores that ends with the call.
        threads: CPUs of a stage.
        url: the store, where it is a URL.
        program: what the words of a stage are given to.
    """

    address: str | None = None
    threads: int = 1
    url: str | None = None
    program: tuple[str, ...] = XLT


def run_ray(progress: Progress, cluster: Cluster) -> None:
    """Run all stages that are not done; failed ones keep only their dependants back.

    Args:
        progress: what is done already; it is kept up to date, failures included.
        cluster: where to run.

    Raises:
        ModelError: the cluster is out of reach.
        UsageError: no machine has as many CPUs as a stage needs.
        Interrupted: Ctrl-C; what is finished is kept.
    """
    driver = _Driver(progress, cluster)
    driver.fetch()
    if len(progress.records) == len(progress.plan.stages):
        return  # nothing to do: no cluster is needed
    with connected(cluster.address, os.cpu_count()), live_view() as view:
        try:
            for jobs in driver.run():
                view.show(progress, (), jobs)
        except KeyboardInterrupt as error:
            driver.stop()
            raise Interrupted("interrupted", "run the same command again to continue") from error


class _Driver:
    """The tasks that are not finished, by their references."""

    def __init__(self, progress: Progress, cluster: Cluster) -> None:
        self.progress, self.cluster = progress, cluster
        self.mirror = None if cluster.url is None else Mirror(cluster.url, progress.store)
        self.waiting: dict[Any, Stage] = {}

    def fetch(self) -> None:
        """Have the records of what is done behind the URL, where there is one."""
        if self.mirror is not None:
            for stage in self.progress.plan.stages.values():
                if stage.id not in self.progress.records and self.mirror.fetch_record(stage):
                    self.progress.look([stage])

    def run(self) -> Iterator[int]:
        """Start all tasks and see to each as it ends; yields how many can be at work at once."""
        self._start(self._gpus())
        cpus = int(ray.cluster_resources().get("CPU", 1))
        while self.waiting:
            ready, _ = ray.wait(list(self.waiting), num_returns=1, timeout=WAIT_SECONDS)
            for one in ready:
                self._ended(self.waiting.pop(one), one)
            yield max(1, cpus // self.cluster.threads)

    def stop(self) -> None:
        """Stop what runs: its process is asked to end, as by Ctrl-C."""
        for one in self.waiting:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(one)
        ray.wait(list(self.waiting), num_returns=len(self.waiting), timeout=STOP_SECONDS)

    def _start(self, gpus: int) -> None:
        """A task for every stage that is not done; needs stand before what needs them."""
        store, url = self.progress.store.path, self.cluster.url
        if url is not None:
            store = Path(tempfile.gettempdir()) / f"xlt-store-{sha256_bytes(url.encode())[:12]}"
        outcomes: dict[str, Any] = {}
        plan = self.progress.plan
        for stage in plan.stages.values():
            if stage.id in self.progress.records:
                outcomes[stage.id] = Outcome(done=True)
                continue
            work = Work(
                stage=stage,
                needs=tuple(plan.stages[name] for name in plan.reads(stage)),
                store=store,
                url=url,
                data=self.progress.plan.data,
                threads=self.cluster.threads,
                again=self.progress.store.is_dropped(stage.id),
                program=self.cluster.program,
            )
            options = {
                "name": stage.id,
                "num_cpus": 1 if stage.verb == "world" else self.cluster.threads,
                "num_gpus": gpus if stage.verb in ON_GPU else 0,
                "max_retries": RETRIES,
            }
            before = [outcomes[name] for name in plan.reads(stage)]
            outcomes[stage.id] = ray.remote(perform).options(**options).remote(work, *before)
            self.waiting[outcomes[stage.id]] = stage

    def _ended(self, stage: Stage, one: Any) -> None:
        outcome = _outcome(one)
        if self.mirror is not None and outcome.done:
            self.mirror.fetch_record(stage)
        plan, store = self.progress.plan, self.progress.store
        record = record_of(plan, store, stage) if outcome.done else None
        total = len(self.progress.plan.stages)
        if record is not None:
            self.progress.finished(stage, record)
            said = f"done, {record['seconds']:.0f} s"
        elif outcome.done or outcome.failure:
            said = "done, but its record is not in the store: do all machines see this folder?"
            failure = dict(outcome.failure or {"code": 1, "message": said})
            self.progress.failures[stage.id] = failure
            said = f"failed: {failure['message']}"
        else:
            return
        terminal.note(f"[{len(self.progress.records)}/{total}] {stage.id}: {said}")

    def _gpus(self) -> int:
        """How many GPUs a training takes.

        Raises:
            UsageError: no machine has enough CPUs.
        """
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max((int(machine.get("CPU", 0)) for machine in machines), default=0)
        if most < self.cluster.threads:
            raise UsageError(
                f"a stage needs {self.cluster.threads} CPUs; the largest machine of the cluster "
                f"has {most}",
                f"--threads {most}" if most else "add a machine: ray start --address HEAD:6379",
            )
        return int(any(machine.get("GPU", 0) >= 1 for machine in machines))


def _outcome(one: Any) -> Outcome:
    """How a task ended, whatever became of its worker."""
    try:
        found: Outcome = ray.get(one)
    except ray.exceptions.RayError as error:
        text = " ".join(str(getattr(error, "cause", None) or error).split())
        return Outcome(failure={"code": 1, "message": f"its worker died: {text:.300}"})
    return found

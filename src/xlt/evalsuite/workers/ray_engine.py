"""Cells over a Ray cluster: `--engine ray`.

A task of Ray is one cell, or a few hundred texts to embed; who gets which, and what is tried again
when a worker dies, is Ray's.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import ModelError, UsageError
from xlt.core.inference.cluster import connected, ray
from xlt.core.inference.session import usable_cores
from xlt.core.kinds.table import kind_of
from xlt.evalsuite.plan.plan import Plan
from xlt.evalsuite.workers.job import Done, Job
from xlt.evalsuite.workers.remote import TEXTS, Reply, answer_cell, answer_texts

__all__ = ["OverRay"]

RETRIES = 3  # of a task whose worker died


class OverRay:
    """The workers of a cluster.

    Args:
        plan: `address` names the cluster; without one, a cluster of this machine's cores starts
            and ends with the call. Where Ray already runs in this process, that one is used.
    """

    def __init__(self, plan: Plan) -> None:
        self._address = plan.address
        # The cells travel with their jobs.
        self._plan = replace(plan, cells=(), threads=plan.threads or 1)

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Callable[[], Done]]]:
        """Each job when it is finished; see `Workers`.

        Raises:
            ModelError: the cluster is out of reach or has no such device; a bundle does not load.
            UsageError: no machine of the cluster has as many CPUs as a worker needs.
        """
        with connected(self._address, usable_cores()):
            gpus = self._gpus()
            plan = self._plan if gpus else replace(self._plan, device="cpu")
            tasks = _Tasks(
                run=uuid.uuid4().hex, plan=[ray.put(plan)], gpus=gpus, threads=plan.threads
            )
            waiting = {tasks.cell(job): job for job in jobs}
            try:
                while waiting:
                    (ready,), _ = ray.wait(list(waiting), num_returns=1)
                    job = waiting.pop(ready)
                    reply = _received(ready, job.cell.name)
                    if reply.fatal:
                        reply.unpack()
                    yield job, reply.unpack
            finally:
                for one in waiting:
                    with contextlib.suppress(ray.exceptions.RayError):
                        ray.cancel(one, force=True)

    def _gpus(self) -> int:
        """How many GPUs a task takes.

        Raises:
            ModelError: the device that is asked for is not in the cluster.
            UsageError: a device by its number; not enough CPUs.
        """
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max((int(machine.get("CPU", 0)) for machine in machines), default=0)
        threads = self._plan.threads or 1
        if most < threads:
            raise UsageError(
                f"a worker needs {threads} CPUs; the largest machine of the cluster has {most}",
                f"--threads {most}" if most else "add a machine: ray start --address HEAD:6379",
            )
        kind, _, number = self._plan.device.partition(":")
        if number:
            raise UsageError(
                f"--device {self._plan.device}: with --engine ray, Ray chooses the GPU of a worker",
                "use --device cuda",
            )
        there = any(machine.get("GPU", 0) >= 1 for machine in machines)
        if kind == "cuda" and not there:
            raise ModelError(
                "device cuda is not there: no machine of the cluster has a GPU", "use --device cpu"
            )
        return int(there and kind != "cpu")


def _received(ref: Any, what: str) -> Reply:
    """What a finished task left, whatever became of its worker."""
    try:
        reply: Reply = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        text = str(error.cause or error).strip().splitlines()[-1]
        fault = ModelError(
            f"{what}: no worker could start: {text:.300}",
            "install the same xlt with its extras cpu and study on every machine",
        )
        return Reply(error=fault, trace=str(error))
    except ray.exceptions.RayError as error:
        text = " ".join(str(error).split())
        fault = ModelError(
            f"{what}: its worker died {RETRIES + 1} times: {text:.300}",
            "memory is the usual reason; the same command redoes only what failed",
        )
        return Reply(error=fault, trace=str(error))
    return reply


@dataclass(frozen=True, kw_only=True)
class _Tasks:
    """How tasks of one evaluation are started, by the caller and by its workers.

    Attributes:
        run: a name of the evaluation, for what workers keep between tasks.
        plan: a reference to the plan, in a list so that Ray does not fetch it for every task.
        gpus: of a task that runs a model.
        threads: CPUs of a task.
    """

    run: str
    plan: list[Any]
    gpus: int
    threads: int | None

    def cell(self, job: Job) -> Any:
        """Start a cell; retrieval cells leave the model to the tasks that they start."""
        matching = kind_of(job.cell.task).matching is not None
        return self._start(answer_cell, 0 if matching else self.gpus, job)

    def fetch_plan(self) -> Plan:
        """The plan, without its cells."""
        plan: Plan = ray.get(self.plan[0])
        return plan

    def vectors(self, bundle: Bundle, pieces: Sequence[Sequence[str]]) -> Iterator[Reply]:
        """Let other workers embed texts; a reply each, in their order."""
        started = [self._start(answer_texts, self.gpus, bundle, list(piece)) for piece in pieces]
        for one in started:
            yield _received(one, f"{bundle.name}: {TEXTS} texts")

    def _start(self, work: Callable[..., Reply], gpus: int, *arguments: Any) -> Any:
        options = {"num_cpus": self.threads, "num_gpus": gpus, "max_retries": RETRIES}
        return ray.remote(work).options(**options).remote(self, *arguments)

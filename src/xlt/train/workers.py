"""Several processes that train one run together: `accelerate launch -m xlt train ...`.

Every process plans and encodes the same; each takes its share of the parts of a step, and the
gradients are added, so that a step is the same step as in one process, up to rounding. Process 0
leads: it alone writes, logs and scores dev. Alone, all of this does nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from xlt.core.artifacts.runs import Run
from xlt.core.extras import needs

__all__ = ["Follower", "Workers", "workers"]

T = TypeVar("T")
BUCKET = 1 << 24  # numbers that are added at once


class Workers:
    """The processes of this run.

    Attributes:
        rank: of this process; 0 leads.
        count: of processes.
        local_rank: of this process on its machine: its GPU.
    """

    def __init__(self, rank: int = 0, count: int = 1, local_rank: int = 0) -> None:
        self.rank, self.count, self.local_rank = rank, count, local_rank

    @property
    def leads(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """What this process takes of a step."""
        return parts if self.count == 1 else parts[self.rank :: self.count]

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            dist.barrier()

    def told(self, value: T) -> T:
        """The leader's value, in every process."""
        if self.count == 1:
            return value
        held: list[Any] = [value]
        dist.broadcast_object_list(held, src=0)
        found: T = held[0]
        return found

    def add(self, value: float, device: torch.device) -> float:
        """The sum over the processes."""
        if self.count == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64).to(device)
        dist.all_reduce(held)
        return float(held)

    def add_gradients(self, model: nn.Module) -> None:
        """Give every process the sum of all gradients.

        A parameter without a gradient in every process keeps none: tasks that a step does not
        have are left alone.
        """
        if self.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        device = parameters[0].device
        has_P = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
        dist.all_reduce(has_P)
        bucket: list[Tensor] = []
        for parameter, has in zip(parameters, has_P.tolist(), strict=True):
            if not has:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            if sum(gradient.numel() for gradient in bucket) >= BUCKET:
                _add(bucket)
                bucket = []
        if bucket:
            _add(bucket)


def _add(gradients: list[Tensor]) -> None:
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


@functools.cache
def workers() -> Workers:
    """The processes that the launcher started this one among; joined on the first call.

    Raises:
        MissingExtra: there are several, and accelerate is not installed.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count <= 1:
        return Workers()
    with needs("train", "several processes"):
        from accelerate import PartialState
    state = PartialState(cpu=not torch.cuda.is_available())
    return Workers(state.process_index, state.num_processes, state.local_process_index)


class Follower(Run):
    """The leader's run as another process sees it: a record in memory, nothing is written."""

    def save(self, **changes: Any) -> None:
        """Change fields of the record in memory."""
        self.record = {**self.record, **changes}

    def finish(self) -> None:
        """Say `done`."""
        self.save(status="done")

    def log(self, **fields: Any) -> None:
        """Nothing: the leader logs."""

    def rewind_log(self, size: int) -> None:
        """Nothing."""

    def measure(self, name: str, **fields: float | str) -> None:
        """Nothing."""
